-- claim: due tasks of the kinds offered become agents that this node answers for, and they start: two
-- steps of each, both told. The answer is the word to run, as long as their leases last.
-- ARGS 1 number of this claim, one more than the last · 2 stem of the tokens · 3 how many at most
--      then for each kind: name, room, max attempts, timeout in s ('' none)
-- OK   {'ok', ms until a scheduled task is due or -1, broken ids, agents}; an agent is {agent, token,
--      task, kind, attempt, max attempts, timeout, context, checkpoint}
-- ELSE {'not_owner'} this epoch is not registered · {'stale'} a later claim was made
-- The same number again answers what that claim took and has not ended: nothing is taken twice when
-- an answer is lost.
-- NEEDS records agents heartbeats

if ME ~= '' then rely(NODE .. ME, 'hash') end
rely(TASK_INDEX.executing, 'zset')
rely(AGENT_INDEX.running, 'zset')

local DUE_AT_ONCE, REPAIR = 256, 60 * 1000

-- A waiting id without a pending record. One that holds nonsense may be repaired: it is looked at again.
local function put_aside(id, fine, broken)
  if fine then
    redis.call('ZREM', SCHEDULED, id)
  else
    redis.call('ZADD', SCHEDULED, NOW + REPAIR, id)
  end
  broken[#broken + 1] = id
end

local function promote(broken)
  local due = redis.call('ZRANGEBYSCORE', SCHEDULED, '-inf', NOW, 'LIMIT', 0, DUE_AT_ONCE)
  for _, id in ipairs(due) do
    local fine, task = pcall(read_task, id)
    local is_pending = fine and task and task.status == 'pending'
    if not is_pending then
      put_aside(id, fine, broken)
    elseif pcall(expect_queue, task.kind) then
      redis.call('ZREM', SCHEDULED, id)
      enqueue(task, 0)
    else   -- until somebody has repaired its queue
      redis.call('ZADD', SCHEDULED, NOW + REPAIR, id)
      broken[#broken + 1] = QUEUE .. task.kind
    end
  end
  catch_up()
end

local function until_due()
  local next_due = redis.call('ZRANGE', SCHEDULED, 0, 0, 'WITHSCORES')
  return next_due[2] and math.max(0, tonumber(next_due[2]) - NOW) or -1
end

-- A number made nonsense by hand counts as not given.
local function described(agent_id, token, task)
  local timeout = task.timeout
  return {agent_id, token, task.id, task.kind, decimal(task.attempt),
    whole(task.max_attempts) and task.max_attempts or '1',
    timeout and string.find(timeout, '^%d+%.?%d*$') and timeout or '', task.context or '',
    task.checkpoint or ''}
end

-- What was taken, as long as it is alive.
local function describe(agent_id)
  local agent = read_agent(agent_id)
  if not agent or ended(AGENT_STEPS, agent.status) or not agent.token then return nil end
  local fine, v = pcall(read, TASK .. agent.task, 'maxAttempts', 'timeout', 'context', 'checkpoint')
  return fine and described(agent_id, agent.token, {id = agent.task, kind = agent.kind,
    attempt = agent.attempt, max_attempts = v[1], timeout = v[2], context = v[3],
    checkpoint = v[4]}) or nil
end

-- A task that waits for this kind; else nil, and whether its record is at least no nonsense.
local function read_waiting(id, kind)
  local v = redis.pcall('HMGET', TASK .. id, 'status', 'kind', 'attempt', 'maxAttempts', 'timeout',
    'metadata', 'context', 'checkpoint')
  local attempt = not v.err and whole(v[3])
  if v[1] ~= 'pending' or v[2] ~= kind or not attempt then
    return nil, not v.err and (not v[1] or TASK_STEPS[v[1]] and v[2] and attempt)
  end
  return {id = id, kind = kind, attempt = attempt, max_attempts = v[4], timeout = v[5],
    metadata = v[6], context = v[7], checkpoint = v[8]}
end

-- The task as its next agent will have it, and the keys that one of this id may have left.
local function next_attempt(task)
  task.attempt = task.attempt + 1
  task.agent = task.id .. '.' .. decimal(task.attempt)
  return AGENT .. task.agent, OUTPUT .. task.agent, MESSAGES .. task.agent
end

-- Makes the agent of a task's next attempt, where nothing is left of one that had its id before. What
-- is written is where its steps lead, and each of them is told. `limits`: further fields of the task.
-- Answers the key of its heartbeat, which is yet to begin.
local function spawn(task, token, starts, limits)
  local agent_status, task_status = 'spawning', 'assigned'
  check_step(TASK_STEPS, 'pending', task_status)
  if starts then
    check_step(AGENT_STEPS, agent_status, 'running')
    check_step(TASK_STEPS, task_status, 'executing')
    agent_status, task_status = 'running', 'executing'
  end
  local id = task.agent
  redis.call('HSET', TASK .. task.id, 'status', task_status, 'agentId', id, 'attempt', task.attempt,
    'updatedAt', NOW_ISO, unpack(limits))
  local more = starts and {'startedAt', NOW_ISO} or {}
  if task.metadata then push(more, 'metadata', task.metadata) end
  -- What is read and written most comes first: a small hash is searched from its beginning.
  redis.call('HSET', AGENT .. id, 'status', agent_status, 'updatedAt', NOW_ISO, 'node', ME,
    'epoch', EPOCH, 'token', token, 'taskId', task.id, 'kind', task.kind, 'attempt', task.attempt,
    'agentId', id, 'createdAt', NOW_ISO, unpack(more))
  shift(TASK_INDEX, task.id, 'pending', task_status)
  unlist_agent(id)
  shift(AGENT_INDEX, id, nil, agent_status)
  own(ME, id, true)
  local whom = about(task, id, ME)
  tell('agent.spawned', whom)
  tell('task.assigned', whom)
  if starts then tell_started(whom) end
  return HEARTBEAT .. id
end

-- The limits that the kind has where the task has none: they stay for its retry.
local function fill_limits(task, max_attempts, timeout)
  local limits = {}
  if not task.max_attempts then
    task.max_attempts = max_attempts
    push(limits, 'maxAttempts', max_attempts)
  end
  if not task.timeout and timeout ~= '' then
    task.timeout = timeout
    push(limits, 'timeout', timeout)
  end
  return limits
end

-- Takes up to `most` of one kind into `taken`; how much room that needed: all, if the queue is no
-- queue. A waiting id without a pending record is put aside as broken.
local function take(kind, most, stem, max_attempts, timeout, taken, broken)
  local queue = QUEUE .. kind
  if not pcall(expect_queue, kind) then
    broken[#broken + 1] = queue
    return math.huge
  end
  local found, left, ids = {}, {}, redis.call('ZRANGE', queue, 0, most - 1)
  for _, id in ipairs(ids) do
    local task, fine = read_waiting(id, kind)
    if task then
      found[#found + 1] = task
      local i = #left
      left[i + 1], left[i + 2], left[i + 3] = next_attempt(task)
    else
      put_aside(id, fine, broken)
    end
  end
  in_parts(left, redis.call, 'DEL')
  local beats = {}
  for i, task in ipairs(found) do
    local token = stem .. '.' .. #taken
    beats[i] = spawn(task, token, true, fill_limits(task, max_attempts, timeout))
    taken[#taken + 1] = described(task.agent, token, task)
  end
  begin_beats(beats)
  in_parts(ids, redis.call, 'ZREM', queue)
  return #found
end

-- Two rounds: a fair share for each kind first, then what is left over for whoever has more. Each
-- claim begins with another kind, so that a single slot goes round.
local function take_fairly(number, count, stem, kinds, taken, broken)
  local offers = #kinds / 4
  local share = math.ceil(count / math.max(1, offers))
  for _, most in ipairs({share, count}) do
    for turn = 0, offers - 1 do
      local k = 1 + 4 * ((number + turn) % offers)
      local room = math.min(most, tonumber(kinds[k + 1]), count - #taken)
      if room > 0 then
        local got = take(kinds[k], room, stem, kinds[k + 2], kinds[k + 3], taken, broken)
        kinds[k + 1] = tonumber(kinds[k + 1]) - got
      end
    end
  end
end

function STEPS.claim(number, stem, count, ...)
  local last = redis.call('HMGET', NODE .. ME, 'epoch', 'claim', 'claimed')
  if last[1] ~= EPOCH then refuse('not_owner') end
  catch_up()
  local taken, broken = {}, {}
  if last[2] == number then
    for id in string.gmatch(last[3] or '', '%S+') do taken[#taken + 1] = describe(id) end
  elseif last[2] and tonumber(last[2]) > tonumber(number) then
    refuse('stale')
  else
    promote(broken)
    take_fairly(tonumber(number), tonumber(count), stem, {...}, taken, broken)
    local names = {}
    for i, agent in ipairs(taken) do names[i] = agent[1] end
    redis.call('HDEL', NODE .. ME, 'claimed')
    set(NODE .. ME, 'claim', number, 'claimed', table.concat(names, ' '))
  end
  return {'ok', until_due(), broken, taken}
end
