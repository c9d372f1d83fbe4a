select [1, 2, null] as a_list, {'x': 1, 'y': {'z': 'deep'}} as a_struct, map {'k': 1, 'l': 2} as a_map,
    [{'a': [1]}, {'a': null}] as a_list_of_structs, []::integer[] as an_empty_list
