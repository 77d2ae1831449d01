-- Sets the snapshot record KEYS[1] to ARGV[3] for ARGV[2] seconds after keys have been written; answers
-- nil, or the version of a sync newer than ARGV[4] that has set it meanwhile and stays.
--
-- A record that is no longer ARGV[1] (empty: absent) means that another sync wrote keys at the same time.
-- Nobody knows whose keys lie there, so whichever record stays loses its digest, and the next sync writes
-- everything.
local function untrusted(record)
  return (string.gsub(record, '"digest": "%x*"', '"digest": ""', 1))
end

local stored = redis.call('GET', KEYS[1])
if (stored or '') == ARGV[1] then
  redis.call('SETEX', KEYS[1], ARGV[2], ARGV[3])
  return nil
end
local version = stored and string.match(stored, '^{"version": (%-?%d+),')
if version and tonumber(version) > tonumber(ARGV[4]) then
  redis.call('SETEX', KEYS[1], ARGV[2], untrusted(stored))
  return version
end
redis.call('SETEX', KEYS[1], ARGV[2], untrusted(ARGV[3]))
return nil
