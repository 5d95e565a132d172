-- Agents whose owner is gone.
-- NEEDS ending

-- dead: the nodes, other than this one, without a sign of life.
-- ARGS 1 how long none must have come, ms
-- OK   {'ok', nodes}; one that owns nothing is struck off the list instead
function STEPS.dead(silence)
  local found = {}
  local silent = redis.call('ZRANGEBYSCORE', NODES, '-inf', NOW - tonumber(silence))
  for _, node in ipairs(silent) do
    if node ~= ME and redis.call('EXISTS', NODE .. node) == 0 then
      if redis.call('EXISTS', OWNED .. node) == 0 then
        redis.call('ZREM', NODES, node)
      else
        found[#found + 1] = node
      end
    end
  end
  return {'ok', found}
end

-- owned: the agents listed as a node's.
-- ARGS 1 node · 2 how many at most, picked at random; '' all
-- OK   {'ok', agents}
function STEPS.owned(node, most)
  expect(OWNED .. node, 'set')
  if most == '' then return {'ok', redis.call('SMEMBERS', OWNED .. node)} end
  return {'ok', redis.call('SRANDMEMBER', OWNED .. node, most)}
end

-- settle: end an agent for its dead owner. Its token goes with it, so that an owner that comes back
-- finds itself superseded.
-- ARGS 1 agent · 2 node it was listed under · 3 epochs of this node of whose agents nothing runs any
--      more, and this is known: separated by spaces; the present one too, for an agent without actor
--      4 'again' if it was settled so before, on a server that may have lost it
-- OK   {'ok', agent's status, task's status} · {'ok', '', ''} there was nothing left to end
-- ELSE {'alive'} its owner lives · {'not_owner'} this node's name is another daemon's by now
-- With a kill recorded: `killed` where the work is known to have ended, else failed, lost; the task
-- has ended as killed either way.

local function strike_off(agent_id, node, is_over)
  if redis.call('SREM', OWNED .. node, agent_id) == 0 then refuse('not_found') end
  if is_over then
    redis.call('DEL', HEARTBEAT .. agent_id)
    forget_kill(agent_id)
  end
  return {'ok', '', ''}
end

local function check_owner_dead(agent, work_ended)
  local holder = redis.call('HGET', NODE .. agent.node, 'epoch')
  if agent.node == ME then
    if holder ~= EPOCH then refuse('not_owner') end
    if agent.epoch == EPOCH and not work_ended then refuse('alive') end
  elseif holder == agent.epoch or redis.call('EXISTS', HEARTBEAT .. agent.id) == 1 then
    refuse('alive')
  end
end

-- An agent whose record somebody removed: its task must not stand there for ever.
local function settle_unrecorded(id, node)
  local task_id = string.match(id, '^(.+)%.%d+$')
  local task = task_id and read_task(task_id)
  if not task or task.agent ~= id or not TASK_STEPS[task.status].failed or task.status == 'pending'
  then
    local struck = strike_off(id, node, true)
    forget_agent(id)
    return struck
  end
  expect_queue(task.kind)
  if node ~= ME and redis.call('EXISTS', HEARTBEAT .. id) == 1 then refuse('alive') end
  local kill = read_kill(id)
  local lost = make_ending('lost', 'its record was removed')
  local ending = kill and make_ending('killed', kill.reason, nil, kill.by) or lost
  local after = task_after(task, kill and 'killed' or 'failed', ending.reason)
  strike_off(id, node, true)
  forget_agent(id)
  local whom = about(task, id, node)
  tell('agent.failed', whom, lost.told)
  end_task(task, after, ending, 0, whom)
  return {'ok', 'failed', after}
end

local function settle(agent, work_ended)
  local kill = read_kill(agent.id)
  local status, reason = 'failed', 'lost'
  if kill and work_ended then status, reason = 'killed', 'killed' end
  check_step(AGENT_STEPS, agent.status, status)
  local task = read_task_of(agent)
  local killed = kill and make_ending('killed', kill.reason, nil, kill.by)
  local ending = status == 'killed' and killed
    or make_ending(reason, 'its daemon ' .. agent.node .. ' died')
  local after = task_after(task, kill and 'killed' or status, reason)
  local whom = about_agent(agent)

  redis.call('HDEL', AGENT .. agent.id, 'token')
  close_agent(agent, status, ending, whom)
  end_task(task, after, killed or ending, 0, task and about(task, agent.id, agent.node))
  return {'ok', status, after}
end

function STEPS.settle(id, node, ended_epochs, again)
  expect(OWNED .. node, 'set')
  expect(NODE .. node, 'hash')
  local agent = read_agent(id)
  if not agent then return settle_unrecorded(id, node) end
  local is_over = ended(AGENT_STEPS, agent.status)
  if is_over or agent.node ~= node then return strike_off(id, node, is_over) end
  local work_ended = agent.node == ME and agent.epoch
    and string.find(' ' .. ended_epochs .. ' ', ' ' .. agent.epoch .. ' ', 1, true) ~= nil
  if again ~= 'again' then check_owner_dead(agent, work_ended) end
  return settle(agent, work_ended)
end
