-- trim: entries of the index sets whose records have expired, and ended tasks over the number kept.
-- ARGS 1 how many of each at most
-- OK   {'ok', how many went}
-- NEEDS retention

function STEPS.trim(most)
  local gone, before = 0, NOW - RETENTION
  local function sweep(index, steps, forget)
    for status in pairs(steps) do
      if status == 'failed' or ended(steps, status) then
        local old = redis.call('ZRANGEBYSCORE', index .. status, '-inf', before, 'LIMIT', 0, most)
        for _, id in ipairs(old) do
          forget(id)
          redis.call('ZREM', index .. status, id)
        end
        gone = gone + #old
      end
    end
  end
  sweep(TASKS, TASK_STEPS, forget_task)
  sweep(AGENTS, AGENT_STEPS, forget_agent)
  return {'ok', gone + forget_oldest(tonumber(most))}
end
