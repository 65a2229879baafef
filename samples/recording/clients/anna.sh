# Anna's system takes client ports from 32768 to 60999, like Linux.

# The web, by name: a DNS question, then HTTP or HTTPS; by IPv4 and by IPv6.
curl -sS4 http://www.office.example/ http://www.office.example/minutes.txt
curl -sS4k https://www.office.example/
sleep 0.7
curl -sS6 http://www.office.example/minutes.txt
curl -sS6k https://www.office.example/minutes.txt

# The time, from port 123 to port 123.
$STANDINS ntp-client 10.77.0.123 --source-port 123

# One-way: syslog never answers.
for number in 1 2 3; do
    logger -n 10.77.0.14 -P 514 -d --rfc5424=notq -t door -p user.notice "opened $number times"
    sleep 0.2
done

# A shell; then one more by IPv6.
key="-q -i $OFFICE/client_key -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null"
ssh $key root@10.77.0.22 "seq 200"
ssh $key root@fd77::22 "seq 50"

# A name that does not exist.
getent ahosts printer.office.example || true

# Nobody lives there: SYN after SYN, no answer.
curl -s4 --connect-timeout 4 http://nobody.office.example/ || true
curl -sS4k https://www.office.example/minutes.txt
