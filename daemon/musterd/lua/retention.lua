-- Records that are let go.
-- NEEDS agents

local settled = 0   -- tasks that ended in this call

local function forget_agent(id)
  drop(AGENT .. id)
  drop(OUTPUT .. id)
  drop(MESSAGES .. id)
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
    local listed = redis.call('ZRANGE', TASK_INDEX[status], 0, most - 1, 'WITHSCORES')
    for i = 1, #listed, 2 do
      found[#found + 1] = {place = #found, id = listed[i], at = tonumber(listed[i + 1]),
        index = TASK_INDEX[status]}
    end
  end
  table.sort(found, function(a, b) return a.at < b.at or a.at == b.at and a.place < b.place end)
  return found
end

-- Ended tasks over the number kept, at most so many; how many went.
local function forget_oldest(most)
  local listed = redis.call('ZCARD', TASK_INDEX.completed)
    + redis.call('ZCARD', TASK_INDEX.failed)
  local over = math.min(most, listed - KEPT)
  if over <= 0 then return 0 end
  local found = oldest(over)
  for i = 1, over do
    list(found[i].index, found[i].id, false)
    forget_task(found[i].id)
  end
  return over
end

-- Each task that ended may take two old ones along, so that their number comes down to what is kept.
closing[#closing + 1] = function()
  if settled > 0 and ME ~= '' then forget_oldest(2 * settled) end
end
