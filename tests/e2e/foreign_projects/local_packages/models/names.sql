select * from {{ ref('shared_names') }}
