select {{ shared.halve('number') }} as half from {{ ref('shared', 'shared_numbers') }}
