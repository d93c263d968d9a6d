#include "dispatch.h"

int main(int argc, char** argv) { return shed::applets::dispatch(argc, argv); }
