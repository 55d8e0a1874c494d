// pion against a TURN server; prints "ok". Run by pion.rs beside this folder, built by tests/run of Debian's packages.
//
//	pion echo|ice SERVER:PORT PEER:PORT udp|tcp|tls|dtls USERNAME PASSWORD
package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"log"
	"net"
	"os"
	"strconv"
	"time"

	"github.com/pion/dtls/v2"
	"github.com/pion/ice/v2"
	"github.com/pion/turn/v2"
)

const (
	roundTrips = 20
	deadline   = 20 * time.Second
)

func main() {
	log.SetFlags(0)
	if len(os.Args) != 7 {
		log.Fatal("pion echo|ice SERVER:PORT PEER:PORT udp|tcp|tls|dtls USERNAME PASSWORD")
	}
	scenario, server, peer := os.Args[1], os.Args[2], os.Args[3]
	transport, username, password := os.Args[4], os.Args[5], os.Args[6]
	switch scenario {
	case "echo":
		echo(server, peer, transport, username, password)
	case "ice":
		connectAgents(server, transport, username, password)
	default:
		log.Fatalf("no scenario %q", scenario)
	}
	fmt.Println("ok")
}

// Sends to an echo peer through one allocation. pion asks for a permission for each new peer, sends indications, and
// binds a channel beside them.
func echo(server, peer, transport, username, password string) {
	client, err := turn.NewClient(&turn.ClientConfig{
		STUNServerAddr: server,
		TURNServerAddr: server,
		Username:       username,
		Password:       password,
		Conn:           connect(server, transport),
	})
	must(err)
	defer client.Close()
	must(client.Listen())
	mapped, err := client.SendBindingRequest()
	must(err)
	if mapped == nil {
		log.Fatal("no mapped address")
	}
	relay, err := client.Allocate()
	must(err)
	to, err := net.ResolveUDPAddr("udp", peer)
	must(err)
	must(client.CreatePermission(to))
	must(relay.SetDeadline(time.Now().Add(deadline)))
	buffer := make([]byte, 1600)
	for number := 0; number < roundTrips; number++ {
		// Each length modulo 4, because a stream pads ChannelData.
		sent := bytes.Repeat([]byte{byte(number)}, 100+number)
		_, err := relay.WriteTo(sent, to)
		must(err)
		length, from, err := relay.ReadFrom(buffer)
		must(err)
		if !bytes.Equal(buffer[:length], sent) || from.String() != to.String() {
			log.Fatalf("round trip %d: %d bytes from %v", number, length, from)
		}
	}
	must(relay.Close())
}

// A connection to the server, as pion's TURN client wants it. The roots are the system's or, as here, of SSL_CERT_FILE.
func connect(server, transport string) net.PacketConn {
	switch transport {
	case "udp":
		socket, err := net.ListenPacket("udp4", "127.0.0.1:0")
		must(err)
		return socket
	case "tcp":
		stream, err := net.DialTimeout("tcp", server, deadline)
		must(err)
		return turn.NewSTUNConn(stream)
	case "tls":
		stream, err := tls.Dial("tcp", server, nil)
		must(err)
		return turn.NewSTUNConn(stream)
	case "dtls":
		socket, err := net.Dial("udp", server)
		must(err)
		secured, err := dtls.Client(socket, &dtls.Config{ServerName: socket.RemoteAddr().(*net.UDPAddr).IP.String()})
		must(err)
		return packets{secured}
	}
	log.Fatalf("no transport %q", transport)
	return nil
}

// packets is a connection whose every read is one message, and all go to the server.
type packets struct{ net.Conn }

func (p packets) ReadFrom(buffer []byte) (int, net.Addr, error) {
	length, err := p.Read(buffer)
	return length, p.RemoteAddr(), err
}

func (p packets) WriteTo(bytes []byte, _ net.Addr) (int, error) { return p.Write(bytes) }

// Connects two agents that may use relayed candidates only, and sends both ways.
func connectAgents(server, transport, username, password string) {
	a, b := agent(server, transport, username, password), agent(server, transport, username, password)
	introduce(a, b)
	introduce(b, a)
	within, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	dialed := make(chan *ice.Conn)
	go func() {
		ufrag, pwd, err := b.GetLocalUserCredentials()
		must(err)
		conn, err := a.Dial(within, ufrag, pwd)
		must(err)
		dialed <- conn
	}()
	ufrag, pwd, err := a.GetLocalUserCredentials()
	must(err)
	accepting, err := b.Accept(within, ufrag, pwd)
	must(err)
	dialing := <-dialed
	exchange(dialing, accepting)
	exchange(accepting, dialing)
	must(a.Close())
	must(b.Close())
}

func agent(server, transport, username, password string) *ice.Agent {
	host, portText, err := net.SplitHostPort(server)
	must(err)
	port, err := strconv.Atoi(portText)
	must(err)
	url := ice.URL{Scheme: ice.SchemeTypeTURN, Host: host, Port: port, Username: username, Password: password}
	if transport == "tls" || transport == "dtls" {
		url.Scheme = ice.SchemeTypeTURNS
	}
	url.Proto = ice.ProtoTypeUDP
	if transport == "tcp" || transport == "tls" {
		url.Proto = ice.ProtoTypeTCP
	}
	agent, err := ice.NewAgent(&ice.AgentConfig{
		Urls:           []*ice.URL{&url},
		NetworkTypes:   []ice.NetworkType{ice.NetworkTypeUDP4},
		CandidateTypes: []ice.CandidateType{ice.CandidateTypeRelay},
	})
	must(err)
	return agent
}

// Gathers one agent's candidates, and gives them to the other.
func introduce(from, to *ice.Agent) {
	gathered := make(chan struct{})
	must(from.OnCandidate(func(candidate ice.Candidate) {
		if candidate == nil {
			close(gathered)
			return
		}
		if candidate.Type() != ice.CandidateTypeRelay {
			log.Fatalf("a candidate that is not relayed: %v", candidate)
		}
		copied, err := ice.UnmarshalCandidate(candidate.Marshal())
		must(err)
		must(to.AddRemoteCandidate(copied))
	}))
	must(from.GatherCandidates())
	select {
	case <-gathered:
	case <-time.After(deadline):
		log.Fatal("not gathered in time")
	}
}

func exchange(from, to *ice.Conn) {
	_, err := from.Write([]byte("hello"))
	must(err)
	must(to.SetReadDeadline(time.Now().Add(deadline)))
	buffer := make([]byte, 1500)
	length, err := to.Read(buffer)
	must(err)
	if string(buffer[:length]) != "hello" {
		log.Fatalf("received %q", buffer[:length])
	}
}

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
