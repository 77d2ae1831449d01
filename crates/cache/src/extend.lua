-- Puts ARGV[2] in place of the last character of the list KEYS[1], unless it is empty, and lets the list live for ARGV[3]
-- seconds; answers 0 without having changed anything when it is not ARGV[1] long.
if redis.call('STRLEN', KEYS[1]) ~= tonumber(ARGV[1]) then
  return 0
end
if ARGV[2] ~= '' then
  redis.call('SETRANGE', KEYS[1], tonumber(ARGV[1]) - 1, ARGV[2])
end
redis.call('EXPIRE', KEYS[1], ARGV[3])
return 1
