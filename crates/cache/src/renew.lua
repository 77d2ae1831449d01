-- A sync with nothing new: the record KEYS[1] gets its version and time, and all keys live on, in one step: answers 1, or 0 without
-- having changed a value when the record no longer begins with ARGV[3] or the keys are not as it says.
--
-- KEYS: the record, then ARGV[2] lists, then the other keys.
-- ARGV: seconds to live, that number, what the record begins with and what takes the place of it, which is as long, then the
-- length of each list.
if redis.call('GETRANGE', KEYS[1], 0, #ARGV[3] - 1) ~= ARGV[3] then
  return 0
end
for n = 1, tonumber(ARGV[2]) do
  if redis.call('STRLEN', KEYS[1 + n]) ~= tonumber(ARGV[4 + n]) then
    return 0
  end
end
for n = 2, #KEYS do
  if redis.call('EXPIRE', KEYS[n], ARGV[1]) == 0 then
    return 0
  end
end
redis.call('SETRANGE', KEYS[1], 0, ARGV[4])
redis.call('EXPIRE', KEYS[1], ARGV[1])
return 1
