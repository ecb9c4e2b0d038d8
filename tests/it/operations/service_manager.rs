//! What the real program tells a service manager, and the sockets that it takes from one: sd_notify(3), sd_listen_fds(3).

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr as UnixAddress, UnixDatagram};
use std::process::{Child, Command, Stdio};

use command_fds::{CommandFdExt, FdMapping};
use socket2::{Domain, Socket, Type};

use crate::operations::takeover::{Service, binary, eventually, get, reload};
use crate::revocation::journal::Stage;
use crate::support::DEADLINE;

/// A service manager's socket.
struct Manager(UnixDatagram);

impl Manager {
    /// What was told next.
    fn told(&self) -> String {
        let mut message = [0; 512];
        let length = self.0.recv(&mut message).expect("a message in time");
        String::from_utf8(message[..length].to_vec()).unwrap()
    }

    /// What was told up to a message with this line.
    fn hears(&self, line: &str) -> String {
        loop {
            let told = self.told();
            if told.lines().any(|told| told == line) {
                return told;
            }
        }
    }
}

#[tokio::test]
async fn the_service_manager_is_told_of_every_step() {
    let stage = Stage::new();
    let path = stage.folder.path().join("notify");
    let name = format!("portcullis-test-{}", stage.port);
    let abstract_address = UnixAddress::from_abstract_name(name.as_bytes()).unwrap();
    for (socket, address) in [
        (UnixDatagram::bind(&path).unwrap(), path.to_str().unwrap().to_owned()),
        (UnixDatagram::bind_addr(&abstract_address).unwrap(), format!("@{name}")),
    ] {
        socket.set_read_timeout(Some(DEADLINE)).unwrap();
        let manager = Manager(socket);
        let mut service = Service::start(&stage, binary(), &[("NOTIFY_SOCKET", &address)]);
        assert_eq!(manager.told(), "READY=1\n");
        for _ in 0..2 {
            // the new process tells too, for a manager that hears the main process alone
            let process = service.hand_over();
            let told = manager.hears(&format!("MAINPID={process}"));
            assert!(told.lines().any(|line| line == "READY=1"), "{told}");
            manager.hears(&format!("MAINPID={process}"));
            assert!(reload(stage.management).unwrap().contains("reloaded"));
            let told = manager.hears("RELOADING=1");
            let since = told.lines().find_map(|line| line.strip_prefix("MONOTONIC_USEC="));
            assert!(since.unwrap().parse::<u64>().unwrap() > 0);
            assert_eq!(manager.told(), "READY=1\n");
        }
        let process = service.owner();
        service.signal(process, "TERM");
        assert_eq!(manager.told(), "STOPPING=1\n");
        assert_eq!(service.first_ends(), Some(0));
        eventually("gone", || get(stage.management, "/livez").is_none().then_some(()));
    }
}

/// A process that was given a socket as systemd does it, and its log.
struct Activated(Child);

impl Drop for Activated {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn activated(stage: &Stage, socket: TcpListener) -> Activated {
    let mut command = Command::new(binary());
    command.current_dir(stage.folder.path()).arg("run").env("LISTEN_FDS", "1");
    let log = std::fs::File::create(stage.folder.path().join("log")).unwrap();
    command.stdout(Stdio::null()).stderr(log);
    let mapping = FdMapping { parent_fd: OwnedFd::from(socket), child_fd: 3 };
    command.fd_mappings(vec![mapping]).unwrap();
    Activated(command.spawn().unwrap())
}

fn passed(address: SocketAddr, only_v6: bool) -> (TcpListener, u16) {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None).unwrap();
    if address.is_ipv6() {
        socket.set_only_v6(only_v6).unwrap();
    }
    socket.bind(&address.into()).unwrap();
    socket.listen(16).unwrap();
    let socket = TcpListener::from(socket);
    let port = socket.local_addr().unwrap().port();
    (socket, port)
}

/// Writes the file for a listener on this address.
fn listen_on(stage: &Stage, address: &str) {
    let path = stage.folder.path().join("gateway.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    let line = format!("address = \"127.0.0.1:{}\"", stage.port);
    assert!(text.contains(&line), "{text}");
    std::fs::write(path, text.replacen(&line, &format!("address = \"{address}\""), 1)).unwrap();
}

#[tokio::test]
async fn a_socket_for_both_families_is_taken_for_the_address_of_one() {
    let stage = Stage::new();
    let (socket, port) = passed((Ipv6Addr::UNSPECIFIED, 0).into(), false);
    listen_on(&stage, &format!("0.0.0.0:{port}"));
    let _program = activated(&stage, socket);
    let ready = || get(stage.management, "/readyz").filter(|answer| answer.contains(" 200 "));
    eventually("ready", ready);
    let answer = get(port, "/accounts/1.0.0/status").unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(TcpStream::connect((Ipv6Addr::LOCALHOST, port)).is_ok(), "it is systemd's socket");
}

#[tokio::test]
async fn a_socket_that_does_not_fit_is_named_with_what_to_write() {
    let stage = Stage::new();
    let (socket, port) = passed((Ipv4Addr::LOCALHOST, 0).into(), false);
    listen_on(&stage, &format!("0.0.0.0:{port}"));
    let mut program = activated(&stage, socket);
    let status = eventually("an end", || program.0.try_wait().unwrap());
    let said = std::fs::read_to_string(stage.folder.path().join("log")).unwrap();
    assert_eq!(status.code(), Some(1), "{said}");
    assert!(said.contains(&format!("write `address = \"127.0.0.1:{port}\"`")), "{said}");
}
