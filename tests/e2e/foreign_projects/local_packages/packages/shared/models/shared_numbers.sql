select i * {{ var('step') }} as number from range(3) t(i)
