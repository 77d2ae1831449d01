-- KEYS: the breaker. ARGV: how long a probe has (ms). Answers how long to wait (0: go on) and why.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local state = redis.call('HMGET', KEYS[1], 'until', 'probe', 'error')
if not state[1] then
    return {0, ''}
end
local till = math.max(tonumber(state[1]), tonumber(state[2] or '0'))
if now < till then
    return {till - now, state[3] or ''}
end
redis.call('HSET', KEYS[1], 'probe', string.format('%.0f', now + tonumber(ARGV[1])))
return {0, ''}
