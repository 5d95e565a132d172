-- claim: due tasks of the kinds offered become agents, spawning, that this node answers for.
-- ARGS 1 number of this claim, one more than the last · 2 stem of the tokens · 3 how many at most
--      then for each kind: name, room, max attempts, timeout in s ('' none)
-- OK   {'ok', ms until a scheduled task is due or -1, broken ids, agents}; an agent is {agent, token,
--      task, kind, attempt, max attempts, timeout, context, checkpoint}
-- ELSE {'not_owner'} this epoch is not registered · {'stale'} a later claim was made
-- The same number again answers what that claim took and has not ended: nothing is taken twice when
-- an answer is lost.

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

local function described(agent, task, max_attempts, timeout, context, checkpoint)
  return {agent.id, agent.token, task, agent.kind, decimal(agent.attempt),
    whole(max_attempts) and max_attempts or '1',
    timeout and string.find(timeout, '^%d+%.?%d*$') and timeout or '', context or '',
    checkpoint or ''}
end

-- What was taken, as long as it is alive. A number made nonsense by hand counts as not given.
local function describe(agent_id)
  local agent = read_agent(agent_id)
  if not agent or ended(AGENT_STEPS, agent.status) or not agent.token then return nil end
  local fine, values = pcall(read, TASK .. agent.task, 'maxAttempts', 'timeout', 'context',
    'checkpoint')
  return fine and described(agent, agent.task, unpack(values)) or nil
end

-- Makes the next attempt's agent of a task, where nothing is left of one that had this id before.
local function spawn(task, token, max_attempts, timeout, metadata)
  set(TASK .. task.id, 'status', 'assigned', 'agentId', task.agent, 'attempt', task.attempt,
    'maxAttempts', max_attempts, 'timeout', timeout, 'updatedAt', NOW_ISO)
  -- What is read and written most comes first: a small hash is searched from its beginning.
  set(AGENT .. task.agent, 'status', 'spawning', 'updatedAt', NOW_ISO, 'node', ME, 'epoch', EPOCH,
    'token', token, 'taskId', task.id, 'kind', task.kind, 'attempt', task.attempt,
    'agentId', task.agent, 'metadata', metadata, 'createdAt', NOW_ISO)
  shift(TASKS, task.id, 'pending', 'assigned')
  unlist_agent(task.agent)
  shift(AGENTS, task.agent, nil, 'spawning')
  redis.call('SET', HEARTBEAT .. task.agent, ME .. '/' .. EPOCH, 'PX', TTL)
  own(ME, task.agent, true)
  local whom = about(task, task.agent, ME)
  tell('agent.spawned', whom)
  tell('task.assigned', whom)
end

-- The task as its next agent will have it, and the keys that one of this id may have left.
local function next_attempt(task)
  task.attempt = task.attempt + 1
  task.agent = task.id .. '.' .. decimal(task.attempt)
  return AGENT .. task.agent, OUTPUT .. task.agent, MESSAGES .. task.agent
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
    local fine, task, attempts, limit, metadata, context, checkpoint = pcall(read_task, id,
      'maxAttempts', 'timeout', 'metadata', 'context', 'checkpoint')
    if fine and task and task.status == 'pending' and task.kind == kind then
      found[#found + 1] = {task, attempts or max_attempts, limit or timeout, metadata, context,
        checkpoint}
      for _, key in ipairs({next_attempt(task)}) do left[#left + 1] = key end
    else
      put_aside(id, fine, broken)
    end
  end
  in_parts(left, 'DEL')
  for _, one in ipairs(found) do
    local task, attempts, limit, metadata, context, checkpoint = unpack(one)
    local token = stem .. '.' .. #taken
    spawn(task, token, attempts, limit, metadata)
    local agent = {id = task.agent, token = token, kind = kind, attempt = task.attempt}
    taken[#taken + 1] = described(agent, task.id, attempts, limit, context, checkpoint)
  end
  in_parts(ids, 'ZREM', queue)
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

-- adopt: those of our agents that were claimed and never started, whose claim's answer was lost.
-- ARGS agents
-- OK   {'ok', agents} described as claim does
function STEPS.adopt(...)
  local agents = {}
  for _, id in ipairs({...}) do
    local fine, agent = pcall(read_agent, id)
    if fine and agent and agent.status == 'spawning' and agent.node == ME and agent.epoch == EPOCH
    then
      agents[#agents + 1] = describe(id)
    end
  end
  return {'ok', agents}
end

-- reclaim: an agent that this owner had claimed, on a server that may have lost it.
-- ARGS 1 agent · 2 token · 3 task · 4 kind · 5 attempt · 6 max attempts · 7 timeout, s ('' none)
--      8 context, JSON · 9 'alone' if nobody is left who could reclaim the attempts before it
-- OK   {'ok'} it is there, or is again: spawning, and its task assigned
-- ELSE {'not_owner'} its task has moved on without it, or another daemon has this one's name
--      {'not_found'} its task is gone, and so are the attempts before it
function STEPS.reclaim(id, token, task_id, kind, attempt, max_attempts, timeout, context, alone)
  if read_agent(id) then
    read_owned(id, token)
    return {'ok'}
  end
  local holder = redis.call('HGET', NODE .. ME, 'epoch')
  if holder and holder ~= EPOCH then refuse('not_owner') end
  local task, known_attempts, known_timeout, metadata = read_task(task_id, 'maxAttempts', 'timeout',
    'metadata')
  local before = tonumber(attempt) - 1
  if task and (task.status ~= 'pending' or task.attempt ~= before or task.kind ~= kind) then
    refuse('not_owner')
  end
  if not task and before > 0 and not alone then refuse('not_found') end
  expect_queue(kind)
  if not task then
    task = {id = task_id, kind = kind, attempt = 0, priority = 0}
    create(task, context, max_attempts, timeout, '')
    task.attempt = before
  end
  redis.call('ZREM', QUEUE .. kind, task_id)
  redis.call('ZREM', SCHEDULED, task_id)
  redis.call('DEL', next_attempt(task))
  spawn(task, token, known_attempts or max_attempts, known_timeout or timeout, metadata)
  return {'ok'}
end
