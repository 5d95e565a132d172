-- The keys that all tasks share, and records that are let go. What steps write there gathers, and is
-- written at once for all of them: one ZADD for a hundred agents costs little more than one for one.
--
-- Each step has checked by then all that it needs, and has written its own records. Nothing reads
-- these keys before they are written: `catch_up` comes before each step that may look at them, and at
-- the end of the call.

local scores, members, gone = {}, {}, {}   -- key → member → score, or false · the same for sets · keys
local outputs = {}  -- of agents that have ended: most have written none
local given = 0     -- places in queues, after the last one that the server knows of
local settled = 0   -- tasks that ended in this call

local PART = 4000   -- arguments that Lua can hand over at once: 8000, less what is on its stack

local function in_parts(arguments, command, ...)
  if #arguments == 0 then return end
  for first = 1, #arguments, PART do
    local call = {command, ...}
    for i = first, math.min(first + PART - 1, #arguments) do call[#call + 1] = arguments[i] end
    redis.call(unpack(call))
  end
end

-- A score of false takes the member out.
local function list(key, member, score)
  local of_key = scores[key]
  if not of_key then
    of_key = {}
    scores[key] = of_key
  end
  of_key[member] = score
end

local function shift(index, id, from, to)
  if from then list(index .. from, id, false) end
  list(index .. to, id, NOW)
end

local function own(node, agent_id, is_owned)
  local of_node = members[node]
  if not of_node then
    of_node = {}
    members[node] = of_node
  end
  of_node[agent_id] = is_owned
end

-- An agent's output goes with its record.
local function expire_output(agent_id) outputs[#outputs + 1] = OUTPUT .. agent_id end

local function write_expiries()
  if #outputs == 0 or redis.call('EXISTS', unpack(outputs)) == 0 then return end
  for _, key in ipairs(outputs) do redis.call('PEXPIRE', key, RETENTION) end
end

local function drop(...)
  for _, key in ipairs({...}) do gone[#gone + 1] = key end
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
  in_parts(out, 'ZREM', key)
  in_parts(added, 'ZADD', key)
end

local function write_members(node, of_node)
  local out, added = {}, {}
  for member, is_owned in pairs(of_node) do
    local part = is_owned and added or out
    part[#part + 1] = member
  end
  in_parts(out, 'SREM', OWNED .. node)
  in_parts(added, 'SADD', OWNED .. node)
end

local function catch_up()
  in_parts(gone, 'DEL')
  for key, of_key in pairs(scores) do write_scores(key, of_key) end
  for node, of_node in pairs(members) do write_members(node, of_node) end
  write_expiries()
  if given > 0 then sequence = redis.call('INCRBY', SEQUENCE, given) end
  scores, members, gone, outputs, given = {}, {}, {}, {}, 0
end

-- Waiting tasks.

local function enqueue(task, delay)
  if delay > 0 then
    list(SCHEDULED, task.id, NOW + delay)
  else
    given = given + 1
    list(QUEUE .. task.kind, task.id, task.priority * 2 ^ 49 + sequence + given)
  end
  woken[task.kind] = true
end

-- Records that are let go.

local function unlist_agent(id)
  for status in pairs(AGENT_STEPS) do list(AGENTS .. status, id, false) end
end

local function forget_agent(id)
  drop(AGENT .. id, OUTPUT .. id, MESSAGES .. id)
  unlist_agent(id)
end

-- Called after first writes, so it must bear a key of any type and content.
local function forget_task(id)
  local attempt = redis.pcall('HGET', TASK .. id, 'attempt')
  local attempts = type(attempt) == 'string' and whole(attempt) or 0
  drop(TASK .. id)
  for i = math.max(1, attempts - RECORD_AGENTS + 1), attempts do
    forget_agent(id .. '.' .. string.format('%d', i))
  end
end

-- The ended tasks that ended first, at most so many.
local function oldest(most)
  local found = {}
  for _, status in ipairs({'completed', 'failed'}) do
    local listed = redis.call('ZRANGE', TASKS .. status, 0, most - 1, 'WITHSCORES')
    for i = 1, #listed, 2 do
      found[#found + 1] = {place = #found, id = listed[i], at = tonumber(listed[i + 1]),
        index = TASKS .. status}
    end
  end
  table.sort(found, function(a, b) return a.at < b.at or a.at == b.at and a.place < b.place end)
  return found
end

-- Ended tasks over the number kept, at most so many; how many went.
local function forget_oldest(most)
  local listed = redis.call('ZCARD', TASKS .. 'completed') + redis.call('ZCARD', TASKS .. 'failed')
  local over = math.min(most, listed - KEPT)
  if over <= 0 then return 0 end
  local found = oldest(over)
  for i = 1, over do
    list(found[i].index, found[i].id, false)
    forget_task(found[i].id)
  end
  return over
end

-- The end of a call: each task that ended may take two old ones along, so that their number comes
-- down to what is kept.
local function close_call()
  catch_up()
  if settled > 0 and ME ~= '' then
    forget_oldest(2 * settled)
    catch_up()
  end
  -- A client's settings are not those of the daemons, which trim.
  if told and ME ~= '' then redis.call('XTRIM', LOG, 'MAXLEN', '~', LOG_LENGTH) end
  for kind in pairs(woken) do redis.call('PUBLISH', WAKE, kind) end
end
