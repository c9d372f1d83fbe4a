select null as nothing, 1 as one
