module musterd.example/control

go 1.19
