/* What the machine itself allows: an epoll loop that upgrades whoever asks, signs in whoever speaks, and sends what is dispatched to everybody, one
   write each. It checks nothing, knows no users and stores nothing: a floor for measuring, no gateway. Usage: floor_gateway PORT SOCKET */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { CLIENTS = 1, PUBLISHERS, KNOCKING, UPGRADED, SIGNED_IN, PUBLISHER };
static unsigned char state[1 << 17];
static int crowd[1 << 17], crowded, epoll;
static char request[1 << 16];
static const char upgrade[] = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                              "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
static const char signed_in[] = "\x81\x12{\"type\":\"auth_ok\"}";
static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\n{\"sent\":1000}";

static void watch(int fd, int as) {
  struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
  state[fd] = (unsigned char) as;
  epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
}

static void forget(int fd) {
  for (int i = 0; i < crowded; i++)
    if (crowd[i] == fd) crowd[i--] = crowd[--crowded];
  close(fd);
}

static void put(int fd, const char *bytes, size_t size) {
  if (write(fd, bytes, size) != (ssize_t) size) perror("write");
}

static void publish(int publisher, const char *body, size_t size) {
  static const char type[] = "{\"type\":\"notification\",\"n\":";
  static char frame[1 << 17];
  size_t length = sizeof type - 1 + size + 1;
  frame[0] = (char) 0x81, frame[1] = 126, frame[2] = (char) (length >> 8), frame[3] = (char) length;
  memcpy(frame + 4, type, sizeof type - 1);
  memcpy(frame + 4 + sizeof type - 1, body, size);
  frame[4 + length - 1] = '}';
  for (int i = 0; i < crowded; i++) put(crowd[i], frame, 4 + length);
  put(publisher, answer, sizeof answer - 1);
}

static void take(int fd) {
  static size_t had; /* of the one publisher's request */
  ssize_t got = read(fd, request + (state[fd] == PUBLISHER ? had : 0), sizeof request - 1 - had);
  if (got <= 0) {
    forget(fd);
  } else if (state[fd] == KNOCKING) {
    put(fd, upgrade, sizeof upgrade - 1);
    state[fd] = UPGRADED;
  } else if (state[fd] == UPGRADED) {
    put(fd, signed_in, sizeof signed_in - 1);
    state[fd] = SIGNED_IN;
    crowd[crowded++] = fd;
  } else if (state[fd] == PUBLISHER) {
    had += (size_t) got;
    request[had] = 0;
    char *end = strstr(request, "\r\n\r\n"), *length = strcasestr(request, "content-length:");
    if (end && length && had >= (size_t) (end + 4 - request) + strtoul(length + 15, 0, 10)) {
      publish(fd, end + 4, had - (size_t) (end + 4 - request));
      had = 0;
    }
  }
}

int main(int argc, char **argv) {
  struct epoll_event events[512];
  struct sockaddr_in public = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  struct sockaddr_un local = {.sun_family = AF_UNIX};
  int one = 1, clients = socket(AF_INET, SOCK_STREAM, 0), publishers = socket(AF_UNIX, SOCK_STREAM, 0);
  if (argc < 3) return 2;
  public.sin_port = htons((unsigned short) atoi(argv[1]));
  strncpy(local.sun_path, argv[2], sizeof local.sun_path - 1);
  setsockopt(clients, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  if (bind(clients, (struct sockaddr *) &public, sizeof public) || listen(clients, 4096)) return perror("port"), 1;
  if (bind(publishers, (struct sockaddr *) &local, sizeof local) || listen(publishers, 128)) return perror("socket"), 1;
  epoll = epoll_create1(0);
  watch(clients, CLIENTS);
  watch(publishers, PUBLISHERS);
  puts("ready");
  fflush(stdout);
  for (;;) {
    int count = epoll_wait(epoll, events, 512, -1);
    for (int i = 0; i < count; i++) {
      int fd = events[i].data.fd;
      if (state[fd] == CLIENTS || state[fd] == PUBLISHERS) {
        int came = accept4(fd, 0, 0, 0);
        setsockopt(came, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        if (came >= 0) watch(came, state[fd] == CLIENTS ? KNOCKING : PUBLISHER);
      } else {
        take(fd);
      }
    }
  }
}
