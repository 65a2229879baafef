# Ben's system takes client ports from 49152 to 65535, as RFC 6335 asks for.

sleep 0.3
# The database: psql asks for TLS first, is told no, and goes on without.
psql -q -h db.office.example -U office -d postgres -c 'CREATE TABLE visit (day int, guests int)' \
    -c 'INSERT INTO visit SELECT day, day % 7 FROM generate_series(1, 90) AS day'
psql -h db.office.example -U office -d postgres -c 'SELECT * FROM visit'

# Redis by IPv4 and IPv6; what is published reaches the subscriber that came before the recording.
for visitor in 1 2 3 4; do
    redis-cli -h redis.office.example INCR visitors
    redis-cli -h 10.77.0.63 PUBLISH news "visitor $visitor"
done
redis-cli -h fd77::63 GET visitors
$STANDINS abort 10.77.0.63 6379

# The time, from any port.
$STANDINS ntp-client 10.77.0.123

logger -n 10.77.0.14 -P 514 -d --rfc5424=notq -t backup -p daemon.info "done"

# DNS over TCP.
RES_OPTIONS=use-vc getent ahosts www.office.example
# TFTP: the server answers from a port of its own.
curl -sS tftp://10.77.0.53/boot.cfg

# Nothing listens there: refused by TCP, and by ICMP for UDP.
curl -s http://10.77.0.10:8081/ || true
$STANDINS send snmp 10.77.0.10 161
# Nothing lives there.
$STANDINS send snmp 10.77.0.99 161
$STANDINS send mdns 224.0.0.251 5353 --source-port 5353

# SSH on the port of HTTPS.
key="-q -i $OFFICE/client_key -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null"
ssh $key -p 443 root@10.77.0.22 "seq 100"
curl -sS4k https://www.office.example/

# Opened while the recording runs, and still open when it ends.
redis-cli -h 10.77.0.63 SUBSCRIBE news 2> /dev/null &
sleep 0.3
redis-cli -h 10.77.0.63 PUBLISH news "good night"
