package server_test

import (
	"context"
	"log"
	"net/http"
	"os"
	"os/signal"
	"syscall"

	"github.com/editlock/editlock"
	"github.com/editlock/editlock/server"
	"github.com/editlock/editlock/store/mem"
	"github.com/editlock/editlock/wire"
)

// A program that serves editlock beside its own pages, and stops without anybody losing a lock.
func Example() {
	key := func(file string) *wire.Key { // editlock key --out FILE makes one
		text, err := os.ReadFile(file)
		if err != nil {
			log.Fatal(err)
		}
		k, err := wire.ParseKey("", text)
		if err != nil {
			log.Fatal(err)
		}
		return k
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	m, err := editlock.Open(ctx, mem.New(), editlock.Config{}) // or a store that survives a restart
	if err != nil {
		log.Fatal(err)
	}
	locks, err := server.New(m, server.Options{
		Access:  server.Access{Keys: wire.Keys{key("access.key")}, Issuer: "https://app.example.com", Audience: "editlock"},
		LockKey: key("signing.key"), // not the same
	})
	if err != nil {
		log.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/editlock/", http.StripPrefix("/editlock", locks))
	h := &http.Server{Addr: ":8080", Handler: mux}
	go func() { log.Print(h.ListenAndServe()) }()

	<-ctx.Done()
	last := context.Background()
	locks.Drain(last) // pages move away, or stay until the end
	if err := locks.Close(last); err != nil {
		log.Print(err)
	}
	_ = h.Shutdown(last)
	_ = m.Close()
}
