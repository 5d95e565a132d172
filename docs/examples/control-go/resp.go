package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/url"
	"strconv"
	"strings"
)

// Conn speaks as much of the protocol as control.go needs, so that it runs where no module can be
// had. In earnest use a client such as go-redis: it knows TLS and passwords, and connects again.
type Conn struct {
	socket net.Conn
	reader *bufio.Reader
}

// Dial connects to redis://HOST:PORT or unix:///PATH.
func Dial(address string) (*Conn, error) {
	where, err := url.Parse(address)
	if err != nil {
		return nil, err
	}
	network, target := "tcp", where.Host
	if where.Scheme == "unix" {
		network, target = "unix", where.Path
	} else if where.Port() == "" {
		target += ":6379"
	}
	socket, err := net.Dial(network, target)
	if err != nil {
		return nil, err
	}
	return &Conn{socket, bufio.NewReader(socket)}, nil
}

// Close ends the connection; who waits for something on it is told so.
func (c *Conn) Close() error { return c.socket.Close() }

// Do sends a command and returns its reply.
func (c *Conn) Do(words ...string) (any, error) {
	var text strings.Builder
	fmt.Fprintf(&text, "*%d\r\n", len(words))
	for _, word := range words {
		fmt.Fprintf(&text, "$%d\r\n%s\r\n", len(word), word)
	}
	if _, err := io.WriteString(c.socket, text.String()); err != nil {
		return nil, err
	}
	return c.Receive()
}

// Receive returns what comes next: nil, an int, a string or a list of these.
func (c *Conn) Receive() (any, error) {
	line, err := c.reader.ReadString('\n')
	if err != nil {
		return nil, err
	}
	text := strings.TrimSuffix(line[1:], "\r\n")
	switch line[0] {
	case '+':
		return text, nil
	case '-':
		return nil, fmt.Errorf("the server refuses: %s", text)
	}
	number, err := strconv.Atoi(text)
	if err != nil || line[0] == ':' || number < 0 {
		return number, err
	}
	if line[0] == '$' {
		body := make([]byte, number+len("\r\n"))
		_, err := io.ReadFull(c.reader, body)
		return string(body[:number]), err
	}
	list := make([]any, number)
	for i := range list {
		if list[i], err = c.Receive(); err != nil {
			return nil, err
		}
	}
	return list, nil
}
