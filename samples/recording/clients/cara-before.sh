# What Cara has open when the recording begins: nobody sees these handshakes.

key="-q -i $OFFICE/client_key -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null"
redis-cli -h 10.77.0.63 SUBSCRIBE news &
ssh $key root@10.77.0.22 "for turn in 1 2 3 4 5 6 7 8; do date; sleep 1; done" &
wait
