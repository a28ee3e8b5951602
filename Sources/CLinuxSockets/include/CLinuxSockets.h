#ifndef CARILLON_LINUX_SOCKETS_H
#define CARILLON_LINUX_SOCKETS_H
int clx_placeholder(void);
#endif
