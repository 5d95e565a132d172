-- The records of tasks and agents as steps read them: whole, or not at all.

local function read_task(id)
  local v = read(TASK .. id, 'status', 'kind', 'agentId', 'attempt', 'maxAttempts', 'priority',
    'killedBy')
  if not v[1] then return nil end
  local attempt = whole(v[4])
  if not TASK_STEPS[v[1]] or not v[2] or not attempt then
    refuse('broken', TASK .. id, 'status, kind or attempt is missing or nonsense')
  end
  return {id = id, status = v[1], kind = v[2], agent = v[3], attempt = attempt,
    max_attempts = whole(v[5]) or 1, priority = whole(v[6]) or 0, killed_by = v[7]}
end

local function read_agent(id)
  local v = read(AGENT .. id, 'status', 'node', 'epoch', 'token', 'taskId', 'kind', 'attempt',
    'killedBy')
  if not v[1] then return nil end
  local attempt = whole(v[7])
  if not AGENT_STEPS[v[1]] or not v[2] or not v[5] or not v[6] or not attempt then
    refuse('broken', AGENT .. id, 'status, node, taskId, kind or attempt is missing or nonsense')
  end
  return {id = id, status = v[1], node = v[2], epoch = v[3], token = v[4], task = v[5],
    kind = v[6], attempt = attempt, killed_by = v[8]}
end

-- Of an agent of ours no more is read than who owns it: its name says of which task it is.
local function read_owned(id, token)
  local v = read(AGENT .. id, 'status', 'node', 'epoch', 'token')
  if not v[1] then refuse('not_found') end
  if v[2] ~= ME or v[3] ~= EPOCH or v[4] ~= token then refuse('not_owner') end
  local task, attempt = string.match(id, '^(.+)%.(%d+)$')
  if not AGENT_STEPS[v[1]] or not task then
    refuse('broken', AGENT .. id, 'its status or its name is nonsense')
  end
  return {id = id, status = v[1], node = ME, task = task, attempt = tonumber(attempt)}
end

-- What of an agent's task its own record knows.
local function about_agent(agent)
  local kind = agent.kind or redis.call('HGET', AGENT .. agent.id, 'kind') or ''
  return about({id = agent.task, kind = kind, attempt = agent.attempt}, agent.id, agent.node)
end
