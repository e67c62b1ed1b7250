#include <stdio.h>

int main(void)
{
    puts("nrmflow");
    return 0;
}
