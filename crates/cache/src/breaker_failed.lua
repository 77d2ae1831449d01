-- KEYS: the breaker. ARGV: the error, failures until it opens, the first pause and the longest (ms).
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local till = redis.call('HGET', KEYS[1], 'until')
-- One that was on its way when it opened says nothing new.
if till and now < tonumber(till) then
    return
end
local failures = redis.call('HINCRBY', KEYS[1], 'failures', 1)
local keep = 60000
if failures >= tonumber(ARGV[2]) then
    local openings = redis.call('HINCRBY', KEYS[1], 'openings', 1)
    local pause = math.min(tonumber(ARGV[3]) * 2 ^ (openings - 1), tonumber(ARGV[4]))
    redis.call('HSET', KEYS[1], 'until', string.format('%.0f', now + pause), 'error', ARGV[1])
    redis.call('HDEL', KEYS[1], 'probe')
    keep = pause + 600000
end
redis.call('PEXPIRE', KEYS[1], string.format('%.0f', keep))
