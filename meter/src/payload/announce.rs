//! Endpoints announced on a control connection: destinations or sources of later flows.

use std::net::IpAddr;

use super::bytes::Bytes;

/// Maximum endpoints kept of one message.
const MAX_IN_MESSAGE: usize = 8;

/// The purpose of an announced endpoint, which implies who will use it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Use {
    /// FTP data: the peer will connect to it. RFC 959 §4.1.2, RFC 2428.
    FtpData = 1,
    /// TFTP: the source of a request, answered from a new port of the server. RFC 1350 §4.
    Tftp = 2,
    /// Media: both sides announce their endpoints, and either may send first. RFC 8866 §5.14.
    Media = 3,
    /// A program of ONC RPC, from portmap: clients will connect to it. RFC 1833.
    OncRpc = 4,
    /// An interface of DCE/RPC, from the endpoint mapper: clients will connect to it. C706 appendix O.
    DceRpc = 5,
}

/// An announced endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Announced {
    /// Its purpose.
    pub purpose: Use,
    /// IP protocol number of the transport.
    pub proto: u8,
    /// Its port.
    pub port: u16,
    /// Its address; IPv4 as `::ffff:a.b.c.d`.
    pub address: [u8; 16],
}

impl Announced {
    /// Bytes of the packed form: purpose, transport, port, address.
    pub const BYTES: usize = 20;

    /// Returns the packed form.
    #[must_use]
    pub fn packed(&self) -> [u8; Self::BYTES] {
        let mut packed = [0; Self::BYTES];
        packed[0] = self.purpose as u8;
        packed[1] = self.proto;
        packed[2..4].copy_from_slice(&self.port.to_be_bytes());
        packed[4..].copy_from_slice(&self.address);
        packed
    }
}

pub(super) const TCP: u8 = 6;
pub(super) const UDP: u8 = 17;

/// Parses FTP commands and replies that name the port of a data connection. The address is the sender's own: the one
/// in the message may be from behind a NAT.
pub fn ftp(payload: &[u8], sender: [u8; 16]) -> Option<Announced> {
    let upper = |command: &[u8]| {
        payload.get(..command.len()).is_some_and(|start| start.eq_ignore_ascii_case(command))
    };
    let line = line(payload);
    let port = if upper(b"PORT ") {
        port_of_six(&line[5..])
    } else if line.starts_with(b"227 ") {
        let from = line.iter().skip(4).position(u8::is_ascii_digit)? + 4;
        port_of_six(&line[from..])
    } else if upper(b"EPRT ") {
        line[5..].split(|&byte| byte == *line.get(5).unwrap_or(&b'|')).nth(3).and_then(decimal)
    } else if line.starts_with(b"229 ") {
        let from = line.windows(3).position(|window| window == b"|||")? + 3;
        line[from..].split(|&byte| byte == b'|').next().and_then(decimal)
    } else {
        None
    }?;
    (port != 0).then_some(Announced { purpose: Use::FtpData, proto: TCP, port, address: sender })
}

/// Returns the port in the last two of `h1,h2,h3,h4,p1,p2`.
fn port_of_six(text: &[u8]) -> Option<u16> {
    let mut numbers = text.split(|&byte| byte == b',').take(6).map(|part| {
        let digits = part.iter().take_while(|byte| byte.is_ascii_digit()).count();
        decimal(&part[..digits]).filter(|&number| number < 256)
    });
    for _ in 0..4 {
        numbers.next()??;
    }
    let (high, low) = (numbers.next()??, numbers.next()??);
    Some(high << 8 | low)
}

/// Returns the source of a TFTP request, which the answer will be sent to.
pub fn tftp(sender: [u8; 16], port: u16) -> Announced {
    Announced { purpose: Use::Tftp, proto: UDP, port, address: sender }
}

/// Parses the sender's media ports in the Transport header of an RTSP request or response. RFC 2326 §12.39.
pub fn rtsp(payload: &[u8], sender: [u8; 16]) -> Vec<Announced> {
    let key: &[u8] = if payload.starts_with(b"RTSP/") { b"server_port" } else { b"client_port" };
    let mut found = Vec::new();
    for line in payload.split(|&byte| byte == b'\n').skip(1).take_while(|line| *line != b"\r") {
        let Some((name, value)) = split_once(line.trim_ascii(), b':') else { continue };
        if !name.eq_ignore_ascii_case(b"transport") {
            continue;
        }
        // Several transports may be offered, each with parameters.
        let parameters = value.split(|&byte| byte == b';' || byte == b',');
        let ports = parameters.filter_map(|parameter| split_once(parameter.trim_ascii(), b'=')).filter_map(
            |(name, range)| {
                let first = range.split(|&byte| byte == b'-').next().and_then(decimal);
                first.filter(|&port| name == key && port != 0)
            },
        );
        let at = |port| Announced { purpose: Use::Media, proto: UDP, port, address: sender };
        found.extend(ports.map(at).take(MAX_IN_MESSAGE - found.len()));
    }
    found
}

fn split_once(text: &[u8], separator: u8) -> Option<(&[u8], &[u8])> {
    let place = text.iter().position(|&byte| byte == separator)?;
    Some((&text[..place], &text[place + 1..]))
}

/// Parses the media endpoints in an SDP body. RFC 8866 §5.7, §5.14.
pub fn sdp(payload: &[u8]) -> Vec<Announced> {
    let mut found = Vec::new();
    let mut address = None;
    let mut media = None;
    let lines = payload.split(|&byte| byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    for line in lines {
        if let Some(connection) = line.strip_prefix(b"c=IN IP") {
            let text = connection.get(2..).unwrap_or_default();
            let end = text.iter().position(|byte| !byte.is_ascii_graphic()).unwrap_or(text.len());
            let here = std::str::from_utf8(&text[..end]).ok().and_then(|text| text.parse().ok());
            // After a media line it applies to that one only.
            if let Some(port) = media.take() {
                found.extend(here.map(|address| media_at(address, port)));
            } else {
                address = here;
            }
        } else if let Some(description) = line.strip_prefix(b"m=") {
            found.extend(address.zip(media.take()).map(|(address, port)| media_at(address, port)));
            let mut words = description.split(|&byte| byte == b' ').skip(1);
            let port =
                words.next().and_then(|word| word.split(|&byte| byte == b'/').next()).and_then(decimal);
            let over_udp = words.next().is_some_and(|profile| {
                profile.starts_with(b"RTP/") || profile.starts_with(b"UDP/") || profile.starts_with(b"udp")
            });
            media = port.filter(|&port| port != 0 && over_udp);
        }
        if found.len() >= MAX_IN_MESSAGE {
            return found;
        }
    }
    found.extend(address.zip(media).map(|(address, port)| media_at(address, port)));
    found
}

fn media_at(address: IpAddr, port: u16) -> Announced {
    let address = match address {
        IpAddr::V4(address) => address.to_ipv6_mapped(),
        IpAddr::V6(address) => address,
    };
    Announced { purpose: Use::Media, proto: UDP, port, address: address.octets() }
}

fn line(payload: &[u8]) -> &[u8] {
    const MAX_LINE_BYTES: usize = 256;
    let payload = Bytes(payload).take_up_to(MAX_LINE_BYTES).0;
    let end = payload.iter().position(|&byte| byte == b'\r' || byte == b'\n').unwrap_or(payload.len());
    &payload[..end]
}

fn decimal(digits: &[u8]) -> Option<u16> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ftp_port(line: &[u8]) -> Option<u16> {
        ftp(line, [0; 16]).map(|announced| announced.port)
    }

    #[test]
    fn ftp_names_its_data_ports() {
        assert_eq!(ftp_port(b"PORT 192,168,1,2,7,138\r\n"), Some(1930));
        assert_eq!(ftp_port(b"port 10,0,0,1,0,20\r\n"), Some(20));
        assert_eq!(ftp_port(b"227 Entering Passive Mode (10,0,0,1,200,1).\r\n"), Some(51201));
        assert_eq!(ftp_port(b"EPRT |1|132.235.1.2|6275|\r\n"), Some(6275));
        assert_eq!(ftp_port(b"EPRT |2|2001:db8::1|5282|\r\n"), Some(5282));
        assert_eq!(ftp_port(b"229 Entering Extended Passive Mode (|||6446|)\r\n"), Some(6446));
        let nothing: [&[u8]; 7] =
            [b"PORT", b"PORT 1,2,3,4,5", b"PORT 1,2,3,4,256,0", b"227 none", b"229 (|||)", b"EPRT |1|", b""];
        for line in nothing {
            assert_eq!(ftp_port(line), None);
        }
    }

    #[test]
    fn rtsp_names_the_sender_s_ports() {
        // The exchange of RFC 2326 §10.4.
        let request = b"SETUP rtsp://example.com/foo/bar/baz.rm RTSP/1.0\r\nCSeq: 302\r\n\
            Transport: RTP/AVP;unicast;client_port=4588-4589\r\n\r\n";
        let response =
            b"RTSP/1.0 200 OK\r\nCSeq: 302\r\nDate: 23 Jan 1997 15:35:06 GMT\r\nSession: 47112344\r\n\
            Transport: RTP/AVP;unicast;client_port=4588-4589;server_port=6256-6257\r\n\r\n";
        let ports = |payload: &[u8]| rtsp(payload, [9; 16]).iter().map(|one| one.port).collect::<Vec<_>>();
        assert_eq!(ports(request), [4588]);
        assert_eq!(rtsp(request, [9; 16])[0].address, [9; 16]);
        assert_eq!(ports(response), [6256]);
        assert_eq!(
            ports(b"SETUP * RTSP/1.0\r\ntransport:RTP/AVP/UDP;client_port=7, RTP/AVP;client_port=9\r\n"),
            [7, 9]
        );
        let nothing: [&[u8]; 4] = [
            b"",
            b"SETUP * RTSP/1.0\r\nTransport: RTP/AVP/TCP;interleaved=0-1\r\n",
            b"SETUP * RTSP/1.0\r\nTransport: RTP/AVP;client_port=0;server_port=5\r\n",
            b"SETUP * RTSP/1.0\r\n\r\nTransport: RTP/AVP;client_port=4588\r\n",
        ];
        for payload in nothing {
            assert!(ports(payload).is_empty());
        }
    }

    #[test]
    fn sdp_names_its_media() {
        let body = b"INVITE sip:a@b SIP/2.0\r\n\r\nv=0\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n\
            m=audio 49170 RTP/AVP 0\r\nm=video 51372/2 RTP/AVP 99\r\nc=IN IP6 2001:db8::2\r\n\
            m=audio 0 RTP/AVP 0\r\nm=application 9 TCP/MRCPv2 1\r\n";
        let ports: Vec<(u16, u8)> = sdp(body).iter().map(|one| (one.port, one.address[15])).collect();
        assert_eq!(ports, [(49170, 1), (51372, 2)]);
        assert!(sdp(b"m=audio 4000 RTP/AVP 0").is_empty(), "without an address");
        assert!(
            sdp("m=audio 4000 RTP/AVP 0\nc=IN IP4 1.2.3.4\n".repeat(100).as_bytes()).len() <= MAX_IN_MESSAGE
        );
    }
}
