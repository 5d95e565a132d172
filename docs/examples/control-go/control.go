// Submit a task, follow it, and kill it, from Go, with nothing but PUBLISH and SUBSCRIBE.
//
//	go run . KIND [CONTEXT]
package main

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"
)

const patience = 30 * time.Second

// Reply is what a daemon answers to a command.
type Reply struct {
	ID     string          `json:"id"`
	Node   string          `json:"node"`
	OK     bool            `json:"ok"`
	Result json.RawMessage `json:"result"`
	Error  struct{ Code, Message string }
}

// Event is what is told of a task or an agent.
type Event struct{ Type, TaskID, AgentID, Node, Error string }

// Task is one task as we see it: a connection that sends, and one that listens, as who has
// subscribed sends nothing else.
type Task struct {
	ID      string
	prefix  string
	replyTo string
	sender  *Conn
	replies chan Reply
	events  chan Event
}

// NewTask listens before anything is asked: the channels keep nothing for those who come later.
func NewTask(address, prefix string) (*Task, error) {
	sender, err := Dial(address)
	if err != nil {
		return nil, err
	}
	listener, err := Dial(address)
	if err != nil {
		return nil, err
	}
	t := &Task{
		ID: "go-" + newID(), prefix: prefix, replyTo: prefix + ":reply:" + newID(), sender: sender,
		replies: make(chan Reply, 100), events: make(chan Event, 100),
	}
	for _, channel := range []string{t.replyTo, prefix + ":events"} {
		if _, err := listener.Do("SUBSCRIBE", channel); err != nil {
			return nil, err
		}
	}
	go t.listen(listener)
	return t, nil
}

func (t *Task) listen(listener *Conn) {
	defer close(t.replies)
	defer close(t.events)
	for {
		value, err := listener.Receive()
		if err != nil {
			return
		}
		message, _ := value.([]any)
		if len(message) != 3 || message[0] != "message" {
			continue
		}
		text := []byte(message[2].(string))
		var reply Reply
		var event Event
		if message[1] == t.replyTo && json.Unmarshal(text, &reply) == nil {
			offer(t.replies, reply)
		} else if json.Unmarshal(text, &event) == nil && event.TaskID == t.ID {
			offer(t.events, event)
		}
	}
}

// offer never waits: who does not listen for long must not keep the next reply from being read.
func offer[T any](values chan<- T, value T) {
	select {
	case values <- value:
	default:
	}
}

// Command sends a command; its result, or an error with the code that the contract lists. Each
// daemon answers, and all agree; the first one will do.
func (t *Task) Command(fields map[string]any) (json.RawMessage, error) {
	id := newID()
	fields["taskId"], fields["id"], fields["replyTo"] = t.ID, id, t.replyTo
	text, err := json.Marshal(fields)
	if err != nil {
		return nil, err
	}
	heard, err := t.sender.Do("PUBLISH", t.prefix+":control", string(text))
	if err != nil {
		return nil, err
	}
	if heard == 0 {
		return nil, errors.New("no daemon is listening")
	}
	reply, err := first(t.replies, func(reply Reply) bool { return reply.ID == id })
	if err == nil && !reply.OK {
		err = fmt.Errorf("%s: %s", reply.Error.Code, reply.Error.Message)
	}
	return reply.Result, err
}

// Await returns the next event of this type.
func (t *Task) Await(name string) (Event, error) {
	return first(t.events, func(event Event) bool { return event.Type == name })
}

func first[T any](values <-chan T, wanted func(T) bool) (T, error) {
	late := time.After(patience)
	for {
		select {
		case value, open := <-values:
			if !open {
				return value, errors.New("the connection was closed")
			}
			if wanted(value) {
				return value, nil
			}
		case <-late:
			var none T
			return none, fmt.Errorf("nothing came within %s", patience)
		}
	}
}

func newID() string {
	id := make([]byte, 10)
	if _, err := rand.Read(id); err != nil {
		panic(err)
	}
	return hex.EncodeToString(id)
}

func getenv(name, otherwise string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return otherwise
}

func run(kind, context string) error {
	address := getenv("VALKEY_URL", "redis://localhost:6379")
	task, err := NewTask(address, getenv("MUSTERD_PREFIX", "orchestrator"))
	if err != nil {
		return err
	}
	created, err := task.Command(map[string]any{
		"command": "spawn", "kind": kind, "context": json.RawMessage(context),
	})
	if err != nil {
		return err
	}
	fmt.Printf("spawn %s\n", created)
	running, err := task.Await("agent.running")
	if err != nil {
		return err
	}
	fmt.Println("running", running.AgentID, "on", running.Node)
	asked, err := task.Command(map[string]any{"command": "kill", "reason": "enough"})
	if err != nil {
		return err
	}
	fmt.Printf("kill %s\n", asked)
	killed, err := task.Await("agent.killed") // told only once its last process is gone
	if err != nil {
		return err
	}
	fmt.Println("killed", killed.Error)
	return nil
}

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: go run . KIND [CONTEXT]")
		os.Exit(2)
	}
	context := "null"
	if len(os.Args) > 2 {
		context = os.Args[2]
	}
	if err := run(os.Args[1], context); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
