-- The keys that all tasks share. What steps write there gathers, and is written at once for all of
-- them: one ZADD for a hundred agents costs little more than one for one.
--
-- Each step has checked by then all that it needs, and has written its own records. Nothing reads
-- these keys before they are written: `catch_up` comes before each step that may look at them, and at
-- the end of the call.

rely(SCHEDULED, 'zset')
need('ZADD', SCHEDULED)
need('ZREM', SCHEDULED)
need('INCRBY', SEQUENCE)
need('PUBLISH', WAKE, '')

local scores = {}   -- key → member → score, or false
local given = 0     -- places in queues, after the last one that the server knows of
local sequence = redis.pcall('GET', SEQUENCE) or '0'   -- the counter that orders the queues
sequence = type(sequence) == 'string' and whole(sequence)
problem = problem or not sequence and {'broken', SEQUENCE, 'holds no number'} or nil
local woken = {}    -- kinds that have new work

local PART = 4000   -- arguments that Lua can hand over at once: 8000, less what is on its stack

-- Without a key, the arguments are keys.
local function in_parts(arguments, call, command, key)
  for first = 1, #arguments, PART do
    local last = math.min(first + PART - 1, #arguments)
    if key then
      call(command, key, unpack(arguments, first, last))
    else
      call(command, unpack(arguments, first, last))
    end
  end
end

local function put(of, key, member, value)
  local of_key = of[key]
  if not of_key then
    of_key = {}
    of[key] = of_key
  end
  of_key[member] = value
end

-- A score of false takes the member out.
local function list(key, member, score) put(scores, key, member, score) end

local function shift(index, id, from, to)
  if from then list(index[from], id, false) end
  list(index[to], id, NOW)
end

local function write_scores(key, of_key)
  local out, added = {}, {}
  for member, score in pairs(of_key) do
    if score then
      added[#added + 1] = score
      added[#added + 1] = member
    else
      out[#out + 1] = member
    end
  end
  in_parts(out, redis.pcall, 'ZREM', key)   -- there is nothing in a key of another type
  in_parts(added, redis.call, 'ZADD', key)
end

flushes[#flushes + 1] = function()
  for key, of_key in pairs(scores) do write_scores(key, of_key) end
  if given > 0 then sequence = redis.call('INCRBY', SEQUENCE, given) end
  scores, given = {}, 0
end

-- Waiting tasks.

-- Once a call for each kind: nothing but this script writes meanwhile.
local sound_queues = {}
local function expect_queue(kind)
  if sound_queues[kind] then return end
  expect(QUEUE .. kind, 'zset')
  sound_queues[kind] = true
end

local function enqueue(task, delay)
  if delay > 0 then
    list(SCHEDULED, task.id, NOW + delay)
  else
    given = given + 1
    list(QUEUE .. task.kind, task.id, task.priority * 2 ^ 49 + sequence + given)
  end
  woken[task.kind] = true
end

closing[#closing + 1] = function()
  for kind in pairs(woken) do redis.call('PUBLISH', WAKE, kind) end
end
