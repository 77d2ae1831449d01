-- Sets the snapshot record KEYS[1] to ARGV[3] for ARGV[2] seconds if it still is ARGV[1] (empty: absent).
if (redis.call('GET', KEYS[1]) or '') ~= ARGV[1] then
  return 0
end
redis.call('SETEX', KEYS[1], ARGV[2], ARGV[3])
return 1
