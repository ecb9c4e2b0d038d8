// A gRPC server with the defaults of grpc-go, and a client of it: `program serve`, `program call ADDRESS SECONDS STREAM`, where
// the stream is Talking (a message every five seconds) or Silent.
//
// The server ends connections that are pinged more often than every five minutes, as grpc-go does by default.
package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/emptypb"
)

const between = 5 * time.Second

var talks = grpc.StreamDesc{StreamName: "Talking", ServerStreams: true, ClientStreams: true, Handler: talk}
var listens = grpc.StreamDesc{StreamName: "Silent", ServerStreams: true, ClientStreams: true, Handler: listen}

// Sends a message every five seconds until the client has ended its side.
func talk(_ any, stream grpc.ServerStream) error {
	ended := make(chan struct{})
	go func() {
		for stream.RecvMsg(new(emptypb.Empty)) == nil {
		}
		close(ended)
	}()
	for {
		if err := stream.SendMsg(new(emptypb.Empty)); err != nil {
			return err
		}
		select {
		case <-ended:
			return nil
		case <-time.After(between):
		}
	}
}

// Says nothing until the client has ended its side.
func listen(_ any, stream grpc.ServerStream) error {
	for stream.RecvMsg(new(emptypb.Empty)) == nil {
	}
	return nil
}

func serve() error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := grpc.NewServer()
	streams := []grpc.StreamDesc{talks, listens}
	server.RegisterService(&grpc.ServiceDesc{ServiceName: "real.Streams", HandlerType: (*any)(nil), Streams: streams}, nil)
	fmt.Println(listener.Addr().String())
	return server.Serve(listener)
}

// Keeps a stream for so long, sends nothing, and tells how it ended.
func call(connection *grpc.ClientConn, desc *grpc.StreamDesc, lasting time.Duration) {
	begun, messages := time.Now(), 0
	tell := func(end any) {
		fmt.Printf("%s: %d messages in %.0f s, then %v\n", desc.StreamName, messages, time.Since(begun).Seconds(), end)
	}
	stream, err := connection.NewStream(context.Background(), desc, "/real.Streams/"+desc.StreamName)
	if err != nil {
		tell(err)
		return
	}
	time.AfterFunc(lasting, func() { _ = stream.CloseSend() })
	for {
		err := stream.RecvMsg(new(emptypb.Empty))
		if err == io.EOF {
			tell("OK")
			return
		}
		if err != nil {
			tell(err)
			return
		}
		messages++
	}
}

func run() error {
	if len(os.Args) == 2 && os.Args[1] == "serve" {
		return serve()
	}
	if len(os.Args) != 5 || os.Args[1] != "call" {
		return fmt.Errorf("serve, or call ADDRESS SECONDS STREAM")
	}
	seconds, err := strconv.Atoi(os.Args[3])
	if err != nil {
		return err
	}
	connection, err := grpc.NewClient(os.Args[2], grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	desc := &grpc.StreamDesc{StreamName: os.Args[4], ServerStreams: true, ClientStreams: true}
	call(connection, desc, time.Duration(seconds)*time.Second)
	return nil
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
