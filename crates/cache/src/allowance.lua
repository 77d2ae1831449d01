-- KEYS: the log of grants of each window (newest first), then what is held back, who waits, who asks.
-- ARGV: how many requests, who asks, whether to be told a turn of its own; then of each window requests and length (ms).
-- Answers the milliseconds to wait (0: granted) and how many have asked of late.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local windows = #KEYS - 3
local held, waiting, asking = KEYS[windows + 1], KEYS[windows + 2], KEYS[windows + 3]

redis.call('ZADD', asking, now, ARGV[2])
redis.call('ZREMRANGEBYSCORE', asking, '-inf', now - 600000)
redis.call('PEXPIRE', asking, 600000)
local sharing = redis.call('ZCARD', asking)

local wait = math.max(0, tonumber(redis.call('GET', held) or '0') - now)
local pace = 0
local costs = {}
for i = 1, windows do
    local limit, length = tonumber(ARGV[2 + 2 * i]), tonumber(ARGV[3 + 2 * i])
    costs[i] = math.min(tonumber(ARGV[1]), limit)
    -- Granted now, this one must have left the window by then.
    local blocking = redis.call('LINDEX', KEYS[i], limit - costs[i])
    if blocking then
        wait = math.max(wait, tonumber(blocking) + length - now)
    end
    pace = math.max(pace, math.ceil(costs[i] * length / limit))
end
if wait <= 0 then
    for i = 1, windows do
        for _ = 1, costs[i] do
            redis.call('LPUSH', KEYS[i], now)
        end
        redis.call('LTRIM', KEYS[i], 0, tonumber(ARGV[2 + 2 * i]) - 1)
        redis.call('PEXPIRE', KEYS[i], ARGV[3 + 2 * i])
    end
    return {0, sharing}
end
if ARGV[3] == '1' then
    -- Those who wait come back one after the other, not all at once.
    local turn = math.max(now + wait, tonumber(redis.call('GET', waiting) or '0'))
    redis.call('SET', waiting, string.format('%.0f', turn + pace), 'PX', string.format('%.0f', turn + pace - now))
    wait = turn - now
end
return {wait, sharing}
