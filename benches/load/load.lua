-- What wrk sends: one request again and again, or the tokens of a file in turn; as fast as goes, or at a rate.
-- Never judges an answer; it only counts what was not 2xx, for the rig.
local ffi = require("ffi")
ffi.cdef [[
   typedef struct { long seconds; long nanoseconds; } load_time;
   int clock_gettime(int clock, load_time *now);
]]

local MONOTONIC = 1
local tokens = os.getenv("LOAD_TOKENS")
local size = tonumber(os.getenv("LOAD_BODY") or "0")
local rate = tonumber(os.getenv("LOAD_RATE") or "0")

if size > 0 then
   wrk.method = "POST"
   wrk.body = string.rep("x", size)
end

local requests, position, again = {}, 0, 0

if tokens then
   function init(args)
      for token in io.lines(tokens) do
         requests[#requests + 1] = wrk.format(nil, nil, { Authorization = "Bearer " .. token, Host = "127.0.0.1" })
      end
   end

   function request()
      position = position + 1
      if position > #requests then
         position = 1
         again = again + 1
      end
      rounds = again
      return requests[position]
   end
end

-- Arrivals as of many independent clients: a free connection takes the next place of one schedule with random gaps.
if rate > 0 then
   local time = ffi.new("load_time")
   local following

   local function milliseconds()
      ffi.C.clock_gettime(MONOTONIC, time)
      return tonumber(time.seconds) * 1e3 + tonumber(time.nanoseconds) / 1e6
   end

   function delay()
      local now = milliseconds()
      following = (following or now) - math.log(1 - math.random()) * 1e3 / rate
      return math.max(0, math.floor(following - now + 0.5))
   end
end

local threads = {}

function setup(thread)
   table.insert(threads, thread)
end

function done(summary, latency)
   local most = 0
   for _, thread in ipairs(threads) do
      most = math.max(most, thread:get("rounds") or 0)
   end
   local errors = summary.errors
   print(string.format("LOAD requests=%d microseconds=%d refused=%d broken=%d again=%d p50=%d p99=%d p999=%d",
      summary.requests, summary.duration, errors.status, errors.connect + errors.read + errors.write + errors.timeout, most,
      latency:percentile(50), latency:percentile(99), latency:percentile(99.9)))
end
