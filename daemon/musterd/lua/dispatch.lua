-- Runs the steps one by one. What one of them refuses, or breaks on, is that one's answer.
-- {'later', why}: the server takes no writes at the moment; nothing of this step was written.

local PASSING = {OOM = true, MISCONF = true, READONLY = true, NOREPLICAS = true}

local function refusal(problem)
  if type(problem) ~= 'table' then return {'broken', '', tostring(problem)} end
  if not problem.err then return problem end
  if PASSING[string.match(problem.err, '^-?(%u+)')] then return {'later', problem.err} end
  return {'broken', '', problem.err}
end

local sound, problem = pcall(expect_structure)
local replies, i = {}, 8
while i <= #ARGV do
  local name, last = ARGV[i], i + 1 + tonumber(ARGV[i + 1])
  local fine, reply = sound, problem
  if sound then fine, reply = pcall(STEPS[name], unpack(ARGV, i + 2, last)) end
  replies[#replies + 1] = fine and reply or refusal(reply)
  i = last + 1
end
for kind in pairs(woken) do redis.call('PUBLISH', WAKE, kind) end
return replies
