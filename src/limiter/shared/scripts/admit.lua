-- Counts a request in all of its counters, or in none.
--
-- KEYS     the counters of the request, as merge.lua writes them
-- ARGV     for each counter: its rule ("refuse": beyond the limit nothing passes; "mark": a quota lets through, a burst
--          refuses; "observe": everything passes, and what is beyond counts nothing), its lifetime in ms, the number of
--          quotas, and for each quota: the most, what the request adds, the length of its sliding window in ms, or 0 and the
--          first second and the end in ms of its calendar window; then the burst: requests (0 if there is none) and ms
-- Returns  the time in ms, and "refused", the position of the first counter that refuses, its quota (-1: the burst), and the
--          ms until all have room;
--          or "passed", the position of the first counter that was beyond its limit (-1: none) and its quota, and then for
--          each quota of each counter what is counted now, and the ms until a part of it is free again.
--          Or "type" and the position of a key that holds something else.
local SUB_WINDOWS = 16

local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local next_argument = 0
local function argument()
  next_argument = next_argument + 1
  return ARGV[next_argument]
end
local function number() return tonumber(argument()) end
local function text(value) return string.format('%.0f', value) end

-- The count of a sliding window, and the ms until at most `most` of it are left.
local function sliding(fields, quota, length)
  local head = math.floor(now * SUB_WINDOWS / length)
  local total, live, gone = 0, {}, {}
  for field, count in pairs(fields) do
    local of, at = string.match(field, '^(%d+):(%d+)$')
    if of == quota then
      at = tonumber(at)
      if at + SUB_WINDOWS < head then
        gone[#gone + 1] = field
      else
        total = total + count
        live[#live + 1] = {at, count}
      end
    end
  end
  table.sort(live, function(one, other) return one[1] < other[1] end)
  local function wait(most)
    local left = total
    for _, entry in ipairs(live) do
      if left <= most then break end
      left = left - entry[2]
      if left <= most then
        return math.max(0, math.ceil((entry[1] + SUB_WINDOWS + 1) * length / SUB_WINDOWS) - now)
      end
    end
    return left <= most and 0 or length
  end
  return total, wait, quota .. ':' .. text(head), gone
end

local claims, refused = {}, nil
local noted, noted_quota, longest = -1, 0, 0
for position, key in ipairs(KEYS) do
  local held = redis.pcall('HGETALL', key)
  if held.err then return {now, 'type', position - 1} end
  local fields = {}
  for i = 1, #held, 2 do fields[held[i]] = tonumber(held[i + 1]) end
  local rule, lifetime, quotas = argument(), number(), number()
  local claim = {key = key, lifetime = lifetime, quotas = {}, gone = {}, pays = true}
  local excess, wait_of_excess, burst_wait = nil, 0, 0
  for quota = 0, quotas - 1 do
    local most, adds, length = number(), number(), number()
    local total, wait, field, gone
    if length > 0 then
      total, wait, field, gone = sliding(fields, tostring(quota), length)
    else
      local start, ends = argument(), number()
      field = quota .. ':' .. start
      total, gone = fields[field] or 0, {}
      wait = function() return math.max(0, ends - now) end
    end
    for _, old in ipairs(gone) do claim.gone[#claim.gone + 1] = old end
    claim.quotas[#claim.quotas + 1] = {field = field, had = fields[field] or 0, total = total, adds = adds, wait = wait}
    if total >= most then
      excess = excess or quota
      wait_of_excess = math.max(wait_of_excess, wait(most - 1))
    end
  end
  local requests, per = number(), number()
  if requests > 0 then
    local passed = math.max(0, now - (fields['bt'] or now))
    local level = math.max(0, (fields['b'] or 0) - passed * requests)
    burst_wait = math.ceil(math.max(0, level + per - requests * per) / requests)
    claim.burst = {level = level + per, at = math.max(now, fields['bt'] or 0)}
  end
  local refuses, quota, wait = false, excess or -1, 0
  if rule == 'refuse' then
    refuses = excess ~= nil or burst_wait > 0
    wait = math.max(wait_of_excess, burst_wait)
  elseif rule == 'mark' then
    refuses, wait = burst_wait > 0, burst_wait
    if refuses then quota = -1 end
  end
  if refuses then
    refused = refused or {position - 1, quota}
    longest = math.max(longest, wait)
  elseif excess ~= nil or burst_wait > 0 then
    if noted < 0 then noted, noted_quota = position - 1, quota end
    claim.pays = rule ~= 'observe'
  end
  claims[#claims + 1] = claim
end
if refused then return {now, 'refused', refused[1], refused[2], longest} end

local answer = {now, 'passed', noted, noted_quota}
for _, claim in ipairs(claims) do
  local changes = {}
  for _, quota in ipairs(claim.quotas) do
    local total = quota.total
    if claim.pays and quota.adds > 0 then
      total = total + quota.adds
      changes[#changes + 1] = quota.field
      changes[#changes + 1] = text(quota.had + quota.adds)
    end
    answer[#answer + 1] = text(total)
    answer[#answer + 1] = total > 0 and quota.total > 0 and quota.wait(quota.total - 1) or 0
  end
  if claim.pays and claim.burst then
    changes[#changes + 1] = 'b'
    changes[#changes + 1] = text(claim.burst.level)
    changes[#changes + 1] = 'bt'
    changes[#changes + 1] = text(claim.burst.at)
  end
  if #claim.gone > 0 then redis.call('HDEL', claim.key, unpack(claim.gone)) end
  if #changes > 0 then
    redis.call('HSET', claim.key, unpack(changes))
    redis.call('PEXPIRE', claim.key, claim.lifetime)
  end
end
return answer
