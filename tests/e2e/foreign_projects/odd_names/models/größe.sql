select "größe", "With Space" as "Mit Abstand" from {{ ref('Upper_Seed') }}
