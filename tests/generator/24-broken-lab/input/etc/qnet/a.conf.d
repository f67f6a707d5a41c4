a file where drop-ins belong
