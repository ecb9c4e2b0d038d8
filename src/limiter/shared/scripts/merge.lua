-- Adds what one gateway has counted to one counter, and returns the count of all gateways.
--
-- KEYS[1]  the counter, a hash: "Q:AT" is the count of quota Q in its sub-window AT, "b" and "bt" are the level of the burst
--          and its time, "s:GATEWAY" is the last round of a gateway
-- ARGV     gateway, round, lifetime in ms, number of quotas;
--          for each quota: the oldest sub-window that matters, the number of entries, and for each entry: the sub-window, the
--          count that the gateway has seen there, and what it adds;
--          then the burst: requests (0 if there is none), ms, and the requests that it adds
-- Returns  the time in ms, the level of the burst, then for each quota the number of its entries and each with its count.
--          Or "type": the key holds something else.
--
-- A round that was lost on its way back comes twice and counts once. If the server has lost counts, the count that a gateway
-- has seen is the least that is there.
local held = redis.pcall('HGETALL', KEYS[1])
if held.err then return {'type'} end
local fields = {}
for i = 1, #held, 2 do fields[held[i]] = tonumber(held[i + 1]) end

local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local next_argument = 0
local function argument()
  next_argument = next_argument + 1
  return ARGV[next_argument]
end
local function number() return tonumber(argument()) end
local function text(value) return string.format('%.0f', value) end

local changes, gone = {}, {}
local function set(field, value)
  changes[#changes + 1] = field
  changes[#changes + 1] = text(value)
end

local gateway, round = argument(), number()
local lifetime = number()
local fresh = (fields['s:' .. gateway] or 0) < round
if fresh then set('s:' .. gateway, round) end

local counts = {}
for field, count in pairs(fields) do
  local quota, at = string.match(field, '^(%d+):(%d+)$')
  if quota then
    counts[quota] = counts[quota] or {}
    counts[quota][at] = count
  end
end

local answer = {now, 0}
for quota = 0, number() - 1 do
  local oldest, entries = number(), number()
  local live = {}
  for at, count in pairs(counts[tostring(quota)] or {}) do
    if tonumber(at) < oldest then
      gone[#gone + 1] = quota .. ':' .. at
    else
      live[at] = count
    end
  end
  for _ = 1, entries do
    local at, seen, more = argument(), number(), number()
    local count = math.max(live[at] or 0, seen)
    if fresh then count = count + more end
    if count ~= live[at] then
      live[at] = count
      set(quota .. ':' .. at, count)
    end
  end
  local place = #answer + 1
  answer[place] = 0
  for at, count in pairs(live) do
    answer[place] = answer[place] + 1
    answer[#answer + 1] = at
    answer[#answer + 1] = text(count)
  end
end

local requests, per, more = number(), number(), number()
if requests > 0 then
  -- a request adds `per`, a millisecond takes away `requests`
  local passed = math.max(0, now - (fields['bt'] or now))
  local level = math.max(0, (fields['b'] or 0) - passed * requests)
  if fresh then level = level + more * per end
  set('b', level)
  set('bt', math.max(now, fields['bt'] or 0))
  answer[2] = text(level)
end

if #gone > 0 then redis.call('HDEL', KEYS[1], unpack(gone)) end
if #changes > 0 then redis.call('HSET', KEYS[1], unpack(changes)) end
redis.call('PEXPIRE', KEYS[1], lifetime)
return answer
