# Cara's old system takes client ports from 1025 to 5000: often below the server's port.

sleep 0.6
curl -sS4 http://www.office.example:8080/ http://www.office.example:8080/minutes.txt
psql -h db.office.example -U office -d postgres -c 'SELECT 1'
for number in 1 2 3; do
    redis-cli -h 10.77.0.63 SET "room:$number" free
    sleep 0.4
done
curl -sS4 http://www.office.example/
curl -sS4k --tls-max 1.2 https://www.office.example/
$STANDINS ntp-client 10.77.0.123
logger -n 10.77.0.14 -P 514 -d --rfc5424=notq -t lift -p user.warning "stuck between 2 and 3"

# Her machine looks for open doors: closed ports, and one that is open.
$STANDINS knock 10.77.0.10 21 23 25 80 110 139 445 3389
$STANDINS knock 10.77.0.54 3306 5432
curl -sS6 "http://[fd77::10]/minutes.txt"
