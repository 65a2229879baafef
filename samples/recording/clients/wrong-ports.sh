# What a port promises is not what answers there.

# SSH on the port of HTTPS.
key="-q -i $OFFICE/client_key -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null"
ssh $key -p 443 root@10.77.0.22 "seq 20"
# HTTP on the port of SSH; TLS on a port of HTTP.
curl -sS http://10.77.0.10:22/ http://10.77.0.10:22/minutes.txt
curl -sSk https://10.77.0.10:8080/

# OpenVPN on the port of DNS, and something inside.
openvpn "$OFFICE/vpn-client.conf" &
vpn=$!
sleep 3
for number in 1 2 3; do
    logger -n 10.88.0.1 -P 514 -d --rfc5424=notq -t vpn -p user.info "message $number"
done
sleep 0.5
kill "$vpn"
wait "$vpn" || true
