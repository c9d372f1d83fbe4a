select i as id, i * 1.5 as value from range(5) t(i)
