-- KEYS: the log of grants of each window (newest first), then what is held back, the turns of those who wait, the end of
-- their queue, and who asks.
-- ARGV: how many requests, who asks, for what (empty: it does not queue), how long it would wait at most (ms); then of each
-- window requests, length (ms) and whether everybody of the group spends it.
-- Answers the milliseconds to wait (0: granted) and how many have asked of late.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local windows = #KEYS - 4
local held, turns, queue, asking = KEYS[windows + 1], KEYS[windows + 2], KEYS[windows + 3], KEYS[windows + 4]
local errand = ARGV[3]

redis.call('ZADD', asking, now, ARGV[2])
redis.call('ZREMRANGEBYSCORE', asking, '-inf', now - 600000)
redis.call('PEXPIRE', asking, 600000)
local sharing = redis.call('ZCARD', asking)

-- What all wait for, and what this one alone waits for: nobody else is kept waiting by that.
local shared = math.max(0, tonumber(redis.call('GET', held) or '0') - now)
local own = 0
local pace = 0
local costs = {}
for i = 1, windows do
    local limit, length = tonumber(ARGV[2 + 3 * i]), tonumber(ARGV[3 + 3 * i])
    costs[i] = math.min(tonumber(ARGV[1]), limit)
    -- Granted now, this one must have left the window by then.
    local blocking = redis.call('LINDEX', KEYS[i], limit - costs[i])
    local wait = blocking and math.max(0, tonumber(blocking) + length - now) or 0
    if ARGV[4 + 3 * i] == '1' then
        shared = math.max(shared, wait)
        pace = math.max(pace, math.ceil(costs[i] * length / limit))
    else
        own = math.max(own, wait)
    end
end

if errand ~= '' then
    -- A turn that nobody came for within a minute is nobody's.
    redis.call('ZREMRANGEBYSCORE', turns, '-inf', now - 60000)
    local turn = tonumber(redis.call('ZSCORE', turns, errand))
    if not turn then
        -- Nobody passes by those who wait. A turn that comes too late is not kept free.
        turn = math.max(now + shared, tonumber(redis.call('GET', queue) or '0'))
        if turn > now and turn - now <= tonumber(ARGV[4]) then
            redis.call('ZADD', turns, turn, errand)
            redis.call('PEXPIRE', turns, string.format('%.0f', turn - now + 60000))
            redis.call('SET', queue, string.format('%.0f', turn + pace), 'PX', string.format('%.0f', turn + pace - now))
        end
    end
    shared = math.max(shared, turn - now)
end
local wait = math.max(shared, own)
if wait > 0 then
    return {wait, sharing}
end
for i = 1, windows do
    for _ = 1, costs[i] do
        redis.call('LPUSH', KEYS[i], now)
    end
    redis.call('LTRIM', KEYS[i], 0, tonumber(ARGV[2 + 3 * i]) - 1)
    redis.call('PEXPIRE', KEYS[i], ARGV[3 + 3 * i])
end
if errand ~= '' then
    redis.call('ZREM', turns, errand)
end
return {0, sharing}
