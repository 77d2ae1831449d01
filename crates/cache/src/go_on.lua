-- Goes on from the sync whose record KEYS[1] is, in one step: answers 1, or 0 without having changed a value when the record
-- is no longer ARGV[1] or the keys are not as it says.
--
-- KEYS: the record, then ARGV[3] lists, ARGV[4] keys that stay as they are, ARGV[5] keys to set, and the rest to delete.
-- ARGV: the record, seconds to live, those three numbers, the new record, then for each list its length and what takes the
-- place of its last character, then the values to set.
local lists, kept, set = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return 0
end
for n = 1, lists do
  if redis.call('STRLEN', KEYS[1 + n]) ~= tonumber(ARGV[5 + 2 * n]) then
    return 0
  end
end
for n = 1, kept do
  if redis.call('EXPIRE', KEYS[1 + lists + n], ARGV[2]) == 0 then
    return 0
  end
end
for n = 1, lists do
  if ARGV[6 + 2 * n] ~= '' then
    redis.call('SETRANGE', KEYS[1 + n], tonumber(ARGV[5 + 2 * n]) - 1, ARGV[6 + 2 * n])
  end
  redis.call('EXPIRE', KEYS[1 + n], ARGV[2])
end
for n = 1, set do
  redis.call('SETEX', KEYS[1 + lists + kept + n], ARGV[2], ARGV[6 + 2 * lists + n])
end
for n = 2 + lists + kept + set, #KEYS do
  redis.call('DEL', KEYS[n])
end
redis.call('SETEX', KEYS[1], ARGV[2], ARGV[6])
return 1
