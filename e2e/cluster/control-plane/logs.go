// The kubelet's own server: pods' logs over TLS, for callers whose certificate the cluster's authority signed.
// The log is read by the code of the real kubelet's client library, so tail, since, limits, timestamps and
// following are what they are on a real node.
package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"

	internalapi "k8s.io/cri-api/pkg/apis"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
	"k8s.io/cri-client/pkg/logs"
)

func (n *node) serve() error {
	certs := n.cluster.server.certs
	name := n.name + "-server"
	if err := certs.signForYears(name, pkix.Name{CommonName: "system:node:" + n.name}, nodeAddress); err != nil {
		return err
	}
	pair, err := tls.LoadX509KeyPair(certs.file(name+".crt"), certs.file(name+".key"))
	if err != nil {
		return err
	}
	trusted := x509.NewCertPool()
	trusted.AddCert(certs.cert)
	listener, err := net.Listen("tcp", nodeAddress+":0")
	if err != nil {
		return err
	}
	n.port = listener.Addr().(*net.TCPAddr).Port
	routes := http.NewServeMux()
	routes.HandleFunc("GET /containerLogs/{namespace}/{pod}/{container}", n.serveLog)
	go http.Serve(tls.NewListener(listener, &tls.Config{
		Certificates: []tls.Certificate{pair}, ClientCAs: trusted, ClientAuth: tls.RequireAndVerifyClientCert,
	}), routes)
	return nil
}

func (n *node) serveLog(response http.ResponseWriter, request *http.Request) {
	if !n.online() {
		// A node that is gone answers nobody.
		panic(http.ErrAbortHandler)
	}
	pod, container := request.PathValue("pod"), request.PathValue("container")
	p := n.find(request.PathValue("namespace"), pod)
	if p == nil {
		http.Error(response, fmt.Sprintf("pod %q does not exist", pod), http.StatusNotFound)
		return
	}
	options, previous := logOptions(request)
	restart, problem := p.restartToRead(container, previous)
	if problem != "" {
		http.Error(response, problem, http.StatusBadRequest)
		return
	}
	out := &flushing{response}
	if err := p.readLog(request.Context(), container, restart, options, out, out); err != nil && request.Context().Err() == nil {
		http.Error(response, err.Error(), http.StatusInternalServerError)
	}
}

// logOptions reads the query that the API server makes of its own options; previous asks for the life before.
func logOptions(request *http.Request) (options logs.LogOptions, previous bool) {
	query := request.URL.Query()
	number := func(name string) *int64 {
		if value, err := strconv.ParseInt(query.Get(name), 10, 64); err == nil {
			return &value
		}
		return nil
	}
	options = logs.LogOptions{
		TailLines: number("tailLines"), LimitBytes: number("limitBytes"),
		Follow: query.Get("follow") == "true", Timestamp: query.Get("timestamps") == "true",
	}
	if seconds := number("sinceSeconds"); seconds != nil {
		options.Since = time.Now().Add(-time.Duration(*seconds) * time.Second)
	}
	if since, err := time.Parse(time.RFC3339, query.Get("sinceTime")); err == nil {
		options.Since = since
	}
	return options, query.Get("previous") == "true"
}

// restartToRead tells which of the container's lives is meant, or what is wrong, in a real kubelet's words.
func (p *podRun) restartToRead(container string, previous bool) (int32, string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, run := range p.containers {
		if run.spec.Name != container {
			continue
		}
		waiting := run.state.Waiting
		switch {
		case previous && run.restarts > 0:
			return run.restarts - 1, ""
		case previous:
			return 0, fmt.Sprintf("previous terminated container %q in pod %q not found", container, p.pod.Name)
		case waiting != nil && run.restarts > 0:
			return run.restarts - 1, ""
		case waiting != nil:
			return 0, fmt.Sprintf("container %q in pod %q is waiting to start: %s", container, p.pod.Name, waiting.Reason)
		}
		return run.restarts, ""
	}
	return 0, fmt.Sprintf("container %q in pod %q is not available", container, p.pod.Name)
}

func (p *podRun) readLog(ctx context.Context, container string, restart int32, options logs.LogOptions, stdout, stderr io.Writer) error {
	return logs.ReadLogs(ctx, p.logPath(container, restart), container, &options,
		&runningState{pod: p, container: container, restart: restart}, stdout, stderr)
}

// runningState tells a log's follower whether more may come; it is all of a container runtime that it asks for.
type runningState struct {
	internalapi.RuntimeService
	pod       *podRun
	container string
	restart   int32
}

func (r *runningState) ContainerStatus(context.Context, string, bool) (*runtimeapi.ContainerStatusResponse, error) {
	r.pod.mu.Lock()
	defer r.pod.mu.Unlock()
	state := runtimeapi.ContainerState_CONTAINER_EXITED
	for _, run := range r.pod.containers {
		if run.spec.Name == r.container && run.restarts == r.restart && run.state.Running != nil {
			state = runtimeapi.ContainerState_CONTAINER_RUNNING
		}
	}
	return &runtimeapi.ContainerStatusResponse{Status: &runtimeapi.ContainerStatus{State: state}}, nil
}

// flushing sends each piece at once, so that a follower sees lines as they come.
type flushing struct{ http.ResponseWriter }

func (f *flushing) Write(piece []byte) (int, error) {
	count, err := f.ResponseWriter.Write(piece)
	if flusher, ok := f.ResponseWriter.(http.Flusher); ok {
		flusher.Flush()
	}
	return count, err
}
