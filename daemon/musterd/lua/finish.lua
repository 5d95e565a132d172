-- finish: the one ending of an agent. Its task ends with it, or is pending again for a retry.
-- ARGS 1 agent · 2 token · 3 completed, failed or killed · 4 reason · 5 error · 6 result, JSON
--      7 delay of a retry, ms · 8 processor time that it has taken, s
-- OK   {'ok', agent's status, task's status}; again after it was applied: the same, and nothing is told
-- A kill that was recorded before makes the ending `killed`; a result that came is kept.
-- NEEDS ending

function STEPS.finish(id, token, status, reason, error, result, delay, cpu)
  local agent = read_owned(id, token)
  if ended(AGENT_STEPS, agent.status) then
    if status ~= agent.status and agent.status ~= 'killed' then
      refuse('illegal', agent.status, status)
    end
    return {'ok', agent.status, redis.call('HGET', TASK .. agent.task, 'status') or ''}
  end
  local ending
  local kill = read_kill(id)
  if kill then
    status = 'killed'
    ending = make_ending('killed', kill.reason, result, kill.by)
  else
    ending = make_ending(reason, error, result)
  end
  check_step(AGENT_STEPS, agent.status, status)
  local task = read_task_of(agent)
  local after = task_after(task, status, ending.reason)
  local whom = task and about(task, id, ME) or about_agent(agent)

  close_agent(agent, status, ending, whom, cpu)
  end_task(task, after, ending, tonumber(delay), whom)
  return {'ok', status, after}
end
