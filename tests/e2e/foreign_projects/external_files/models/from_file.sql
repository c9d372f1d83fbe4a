select * from read_csv('seeds/raw.csv')
