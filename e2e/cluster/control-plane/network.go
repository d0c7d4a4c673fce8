// The way from the API server to pods and kubelets: an HTTP CONNECT proxy, which the API server is told to use
// (its egress selector). Pods get addresses that exist nowhere; here they lead to the same port on this
// computer, so that services/proxy and pods/proxy reach the local process that stands for the pod.
// There is no other networking: two pods that listen on one port collide, and pods do not see each other.
package main

import (
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// podNetwork is the prefix of all pods' addresses.
const podNetwork = "10.244."

const egressConfig = `apiVersion: apiserver.k8s.io/v1beta1
kind: EgressSelectorConfiguration
egressSelections:
  - name: cluster
    connection:
      proxyProtocol: HTTPConnect
      transport:
        uds:
          udsName: %s
  - name: controlplane
    connection:
      proxyProtocol: Direct
  - name: etcd
    connection:
      proxyProtocol: Direct
`

// startWayToPods listens on a socket at this path, which must be short (about a hundred characters).
func startWayToPods(socket string) error {
	listener, err := net.Listen("unix", socket)
	if err != nil {
		return err
	}
	go http.Serve(listener, http.HandlerFunc(func(response http.ResponseWriter, request *http.Request) {
		host, port, err := net.SplitHostPort(request.Host)
		if err != nil || request.Method != http.MethodConnect {
			http.Error(response, "only CONNECT host:port", http.StatusMethodNotAllowed)
			return
		}
		if strings.HasPrefix(host, podNetwork) {
			host = "127.0.0.1"
		}
		target, err := net.DialTimeout("tcp", net.JoinHostPort(host, port), 10*time.Second)
		if err != nil {
			http.Error(response, err.Error(), http.StatusBadGateway)
			return
		}
		defer target.Close()
		caller, buffered, err := response.(http.Hijacker).Hijack()
		if err != nil {
			return
		}
		defer caller.Close()
		if _, err := io.WriteString(caller, "HTTP/1.1 200 Connection established\r\n\r\n"); err != nil {
			return
		}
		go func() {
			io.Copy(target, buffered)
			target.(*net.TCPConn).CloseWrite()
		}()
		io.Copy(caller, target)
	}))
	return nil
}
