-- Agents whose owner is gone.

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
-- ARGS 1 agent · 2 node it was listed under · 3 "1" its work has been ended, by its own node
--      4 "1" also if it is of this very epoch: no actor runs it
-- OK   {'ok', agent's status, task's status} · {'ok', '', ''} there was nothing left to end
-- ELSE {'alive'} its owner lives
-- With a kill recorded: `killed` where the work is known to have ended, else failed, lost; the task
-- has ended as killed either way.

local function strike_off(agent_id, node, is_over)
  redis.call('SREM', OWNED .. node, agent_id)
  if is_over then
    redis.call('DEL', HEARTBEAT .. agent_id)
    redis.call('HDEL', KILLS, agent_id)
  end
  return {'ok', '', ''}
end

local function owner_lives(agent, own)
  if agent.node == ME then return agent.epoch == EPOCH and not own end
  return redis.call('EXISTS', HEARTBEAT .. agent.id) == 1
    or redis.call('HGET', NODE .. agent.node, 'epoch') == agent.epoch
end

local function settle(agent, work_ended)
  local kill = read_kill(agent.id)
  local status, reason = 'failed', 'lost'
  if kill and work_ended then status, reason = 'killed', 'killed' end
  check_step(AGENT_STEPS, agent.status, status)
  local task = read_task_of(agent)
  local killed = kill and {reason = 'killed', error = kill.reason, killed_by = kill.by}
  local ending = status == 'killed' and killed
    or {reason = reason, error = 'its daemon ' .. agent.node .. ' died'}
  local after = task_after(task, kill and 'killed' or status, reason)

  redis.call('HDEL', AGENT .. agent.id, 'token')
  close_agent(agent, status, ending)
  end_task(task, after, killed or ending, 0, agent.node)
  return {'ok', status, after}
end

function STEPS.settle(id, node, work_ended, own)
  expect(OWNED .. node, 'set')
  local agent = read_agent(id)
  local is_over = not agent or ended(AGENT_STEPS, agent.status)
  if is_over or agent.node ~= node then return strike_off(id, node, is_over) end
  if owner_lives(agent, own == '1') then refuse('alive') end
  return settle(agent, work_ended == '1')
end
