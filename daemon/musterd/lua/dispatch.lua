-- Runs the steps one by one. What one of them refuses, or breaks on, is that one's answer.
-- {'later', why}: the server takes no writes at the moment; nothing of this step was written.

if ME ~= '' then need('XTRIM', LOG) end

local PASSING = {OOM = true, MISCONF = true, READONLY = true, NOREPLICAS = true}

local function refusal(problem)
  local is_table = type(problem) == 'table'
  if is_table and not problem.err then return problem end
  local text = is_table and problem.err or tostring(problem)   -- which of the two, servers differ
  if PASSING[string.match(text, '^-?(%u+)')] then return {'later', text} end
  return {'broken', '', text}
end

-- These look at nothing that gathers, but for a claim, which sees to it itself.
local GATHERS = {submit = true, claim = true, start = true, finish = true}

-- Steps take texts: a number would lose its form where it is joined to one. These join none.
local TAKE_NUMBERS = {submit = true, start = true, finish = true}

local function run(step)
  if not TAKE_NUMBERS[step[1]] then
    for i = 2, #step do
      if type(step[i]) == 'number' then step[i] = string.format('%.0f', step[i]) end
    end
  end
  return STEPS[step[1]](unpack(step, 2))
end

local replies = {}
for i, step in ipairs(cjson.decode(ARGV[8])) do
  local fine, reply = false, problem
  if not problem then
    local gathers = GATHERS[step[1]]
    if not gathers then catch_up() end
    fine, reply = pcall(run, step)
    if not gathers then catch_up() end
  end
  replies[i] = fine and reply or refusal(reply)
end
catch_up()
for _, close in ipairs(closing) do close() end
catch_up()
-- A client's settings are not those of the daemons, which trim.
if told > 0 and ME ~= '' then redis.call('XTRIM', LOG, 'MAXLEN', '~', LOG_LENGTH) end
return replies
