use alloc::format;
use alloc::string::String;
use core::net::IpAddr;

/// An address as Java writes it: IPv6 with all eight groups, IPv4 in IPv6 as plain IPv4.
// zk: InetAddress.getHostAddress
pub fn host_address(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(address) => format!("{address}"),
        IpAddr::V6(address) => {
            let [a, b, c, d, e, f, g, h] = address.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}:{e:x}:{f:x}:{g:x}:{h:x}")
        }
    }
}
