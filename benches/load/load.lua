-- What wrk sends: one request again and again, or the tokens of a file in turn; prints the counts for the rig.
-- Never judges an answer; it only counts what was not 2xx.
local tokens = os.getenv("LOAD_TOKENS")
local size = tonumber(os.getenv("LOAD_BODY") or "0")

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
   print(string.format("LOAD requests=%d microseconds=%d refused=%d broken=%d again=%d", summary.requests, summary.duration,
      errors.status, errors.connect + errors.read + errors.write + errors.timeout, most))
end
